// Boxes of a page's tools: the button NAME-opener opens NAME-box beneath itself. Escape and a click elsewhere close it.
(() => {
  const boxOf = (button) => document.getElementById(button.id.replace(/-opener$/, '-box'));
  const openBoxes = () => document.querySelectorAll('.popover[data-open]');
  const close = (but = null) => {
    for (const box of openBoxes()) if (box !== but) delete box.dataset.open;
    for (const button of document.querySelectorAll('.opener')) button.setAttribute('aria-expanded', boxOf(button)?.dataset.open === '');
  };
  window.closeBoxes = () => close();
  const place = (box, button) => {
    const { left, bottom } = button.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${bottom + 6}px`;
    box.style.maxHeight = `${innerHeight - bottom - 16}px`;
  };

  // an option that is pressed is gone before the click, which then falls on what lay beneath it
  const inside = (target) => Boolean(target.closest?.('.popover, .options, ul[role=listbox]'));
  let pressedInside = false;
  document.addEventListener('pointerdown', (event) => { pressedInside = inside(event.target); }, true);

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('.opener');
    if (button) {
      const box = boxOf(button);
      if (box.dataset.open === undefined) {
        box.dataset.open = '';
        place(box, button);
        box.querySelector('input:not([type=file]), button')?.focus({ preventScroll: true });
      } else delete box.dataset.open;
      close(box);
    } else if (event.target.isConnected && !pressedInside && !inside(event.target)) close();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !openBoxes().length) return;
    event.stopPropagation();
    close();
  }, true);
  addEventListener('resize', () => close());
})();
