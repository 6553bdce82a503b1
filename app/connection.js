// What is typed about the exam is remembered here until the server has it. When the connection to the server is lost,
// nothing can be changed until the page has loaded again, and what did not arrive is shown.
(() => {
  const TYPED = '.typed :is(textarea, input)';
  const LEFT_MS = 500; // after which a page that is left has gone: its connection is not lost
  const REMEMBERED = 'mvmlm-connection-lost';
  const LOST = 'The connection to the server is lost. Nothing can be changed until it is back; the page then loads again.';
  const BACK = 'The connection to the server, or your login, had ended. Check what you changed last: it may not have been saved.';
  const NOT_SAVED = 'This text was not saved. Copy it if you need it:';
  const unsent = new Map(); // field -> how many times it was typed in
  let lost = false;
  let leads = false; // to the login: what is typed is remembered

  document.addEventListener('input', ({ target }) => {
    if (target.matches?.(TYPED)) unsent.set(target, (unsent.get(target) || 0) + 1);
  }, true);

  /** Note what an event is sent with; return what to call when the server has it. */
  window.sentWith = (data) => {
    const sent = [...unsent].filter(([field]) => data.includes(field.value));
    return () => sent.forEach(([field, typed]) => unsent.get(field) === typed && unsent.delete(field));
  };
  const unsentTexts = () => [...unsent.keys()].filter((field) => field.isConnected).map((field) => field.value);

  /** Whether something would be lost without a word if the page were left now. */
  window.holdsUnsaved = () => Boolean(unsentTexts().length || window.actsWait() || window.holdsUnkept?.());

  window.addEventListener('beforeunload', (event) => {
    // Gradio's client would end its connection here, also where the page stays. The browser ends it when the page is left.
    event.stopImmediatePropagation();
    if (!leads && window.holdsUnsaved()) event.preventDefault();
  });

  function say(words, texts, closes) {
    const dialog = document.createElement('dialog');
    dialog.id = 'connection';
    const line = (tag, text) => dialog.append(Object.assign(document.createElement(tag), { textContent: text }));
    line('p', words);
    if (texts.length) line('p', NOT_SAVED);
    for (const text of texts) line('pre', text);
    if (closes) {
      line('button', 'Close');
      dialog.lastChild.addEventListener('click', () => dialog.remove());
    }
    document.body.append(dialog);
    dialog.showModal();
  }

  function remember() {
    const texts = unsentTexts();
    sessionStorage.setItem(REMEMBERED, JSON.stringify(texts));
    return texts;
  }

  window.connectionLost = () => {
    if (lost) return;
    lost = true;
    setTimeout(() => say(LOST, remember(), false), LEFT_MS);
  };

  /** The server knows nobody here any more: the page loads again, which asks for name and password. */
  window.loginEnded = () => {
    if (lost) return;
    lost = true;
    remember();
    leads = true;
    location.reload();
  };

  for (const kind of ['keydown', 'keyup']) {
    window.addEventListener(kind, (event) => { // no key changes what is behind the words
      if (!document.querySelector('dialog#connection')) return;
      event.stopImmediatePropagation();
      if (lost && event.key === 'Escape') event.preventDefault();
    }, true);
  }

  // a page that the browser kept when it was left has no connection any more
  window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
  window.addEventListener('DOMContentLoaded', () => {
    const texts = sessionStorage.getItem(REMEMBERED);
    sessionStorage.removeItem(REMEMBERED);
    if (texts) say(BACK, JSON.parse(texts), true);
  });
})();
