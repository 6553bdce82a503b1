// Who is logged in: their name in the bar and in every field that asks who acts, which nobody else can type there. The
// server writes it into every event as well; pages that a role may not use are not shown. Where nobody has to log in, a
// link offers it.
(() => {
  const { account, loginOffered } = window;
  document.body.dataset.account = account ? 'yes' : loginOffered ? 'offered' : 'no';
  if (loginOffered) offer();
  if (!account) return;

  /** In the frame of a Space, which is another site, the login goes on in a tab of its own. */
  function offer() {
    const target = window.top === window ? '_self' : '_blank';
    const link = Object.assign(document.createElement('a'), { id: 'account', href: '/login', target, rel: 'noopener' });
    link.append('Log in with Hugging Face');
    document.body.append(link);
  }
  const NAMES = ['reader', 'session-reader', 'own-reader', 'teacher', 'list-who', 'labels-reader'];
  const PAGES = { viewer: ['Fine-tune', 'Evaluate', 'My reading'], reader: ['Fine-tune', 'Evaluate'] };
  window.readerHere.get = () => account.name;

  function fill(field) {
    if (field.value !== account.name) {
      field.value = account.name;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
    field.readOnly = true;
  }

  function settle() {
    for (const name of NAMES) document.querySelectorAll(`#${name} :is(input, textarea)`).forEach(fill);
    for (const tab of document.querySelectorAll('#pages > .tab-wrapper [role=tab]')) {
      tab.hidden = (PAGES[account.role] || []).includes(tab.textContent.trim());
    }
  }

  function nameInBar() {
    const form = Object.assign(document.createElement('form'), { id: 'account', method: 'post', action: '/logout' });
    form.append(`${account.name} (${account.title}) `, Object.assign(document.createElement('button'), { textContent: 'Log out' }));
    document.body.append(form);
  }

  nameInBar();
  settle(); // this script runs when the page is there; its components are mounted later
  new MutationObserver(settle).observe(document.body, { childList: true, subtree: true });
})();
