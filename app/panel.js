// The tabs of the panel: which of its pages is shown.
(() => {
  const show = (page) => {
    document.documentElement.dataset.page = page;
    document.querySelectorAll('#panel-tabs [role=tab]').forEach((tab) => tab.setAttribute('aria-selected', String(tab.dataset.page === page)));
  };
  show('findings');
  document.addEventListener('click', (event) => {
    const tab = event.target.closest?.('#panel-tabs [role=tab]');
    if (tab) show(tab.dataset.page);
  });
})();
