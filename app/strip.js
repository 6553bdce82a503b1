// The buttons inside the strip and the page at a session's end. They press hidden buttons of the page, which raise events.
(() => {
  const PRESSES = { open: 'strip-open', change: 'strip-change', finish: 'end-session' };
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#strip button, #session-page button');
    if (!button) return;
    const [what, id] = Object.entries(PRESSES).find(([name]) => button.dataset[name]) || [];
    if (button.dataset.tab) {
      [...document.querySelectorAll('#pages > .tab-wrapper [role=tab]')].find((tab) => tab.innerText.trim() === button.dataset.tab)?.click();
      document.querySelector('#session-page .session-end')?.remove();
    }
    if (!what) return;
    window.stripNumber = Number(button.dataset[what]);
    document.getElementById(id).click();
  });
  // the open exam's place in the list is in sight, wherever the list is long
  const showCurrent = () => {
    const items = document.querySelector('#strip .items'), current = items?.querySelector('.current');
    if (current) items.scrollLeft = current.offsetLeft - items.offsetLeft - (items.clientWidth - current.offsetWidth) / 2;
  };
  const watchStrip = (_, waiting) => {
    const strip = document.querySelector('#strip');
    if (!strip) return;
    waiting.disconnect();
    const shown = new MutationObserver(showCurrent);
    shown.observe(strip, { subtree: true, childList: true });
    shown.observe(document.body, { attributes: true, attributeFilter: ['class'] }); // the strip is opened and closed
  };
  new MutationObserver(watchStrip).observe(document.documentElement, { subtree: true, childList: true });
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#own-reading [data-open]');
    if (!button) return;
    window.ownExam = Number(button.dataset.open);
    document.getElementById('own-open').click();
  });
})();
