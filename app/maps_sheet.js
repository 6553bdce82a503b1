// The sheet of all maps over the pictures: its button opens it; Esc, its own button and another exam close it.
(() => {
  const show = (open) => document.body.classList.toggle('maps-open', open);
  const filled = () => Boolean(document.querySelector('#maps-sheet .maps-sheet'));
  let wasFilled = false;
  const watch = () => {
    const sheet = document.getElementById('maps-sheet');
    if (!sheet || sheet.dataset.watched) return;
    sheet.dataset.watched = 'yes';
    new MutationObserver(() => {
      if (wasFilled && !filled()) show(false); // the exam that it showed is not open any more
      wasFilled = filled();
    }).observe(sheet, { childList: true, subtree: true });
  };
  document.addEventListener('click', (event) => {
    if (event.target.closest?.('#all-maps')) {
      watch();
      show(true);
    } else if (event.target.closest?.('#maps-sheet .close-maps')) show(false);
  }, true);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !document.body.classList.contains('maps-open')) return;
    event.stopPropagation(); // one sheet at a time
    show(false);
  }, true);
  window.closeMapsSheet = () => show(false);
})();
