// The list of exams: arrow keys frame a row, Space ticks it, ticks stay over pages, and columns are chosen and remembered.
// `framed_exam.js` opens the framed row.
(() => {
  const HIDDEN = 'mvmlm.worklist.hidden'; // in the browser's storage: the numbers of the hidden columns
  const ticked = new Set(); // numbers of exams, as text
  const table = () => document.querySelector('#worklist table.exams');
  const boxes = () => [...document.querySelectorAll('#worklist tbody input[data-exam]')];

  const showTicks = () => {
    for (const box of boxes()) box.checked = ticked.has(box.dataset.exam);
    const all = document.querySelector('#worklist thead input');
    if (all) all.checked = boxes().length > 0 && boxes().every((box) => box.checked);
    const button = document.getElementById('lists-opener');
    if (!button) return;
    if (ticked.size) button.dataset.ticked = ticked.size;
    else delete button.dataset.ticked;
  };
  const tick = (exam, on) => (on ? ticked.add(exam) : ticked.delete(exam));
  document.addEventListener('change', ({ target }) => {
    if (target.matches('#worklist tbody input[data-exam]')) tick(target.dataset.exam, target.checked);
    else if (target.matches('#worklist thead input')) for (const box of boxes()) tick(box.dataset.exam, target.checked);
    else if (target.matches('#choose-columns input')) chooseColumns();
    else return;
    showTicks();
  });
  window.tickedExams = () => [...ticked].join(' ');

  const columns = () => [...document.querySelectorAll('#choose-columns input')];
  const hide = (numbers) => {
    for (const box of columns()) {
      box.checked = !numbers.includes(box.value);
      document.documentElement.classList.toggle(`hide-column-${box.value}`, !box.checked);
    }
  };
  const chooseColumns = () => {
    const numbers = columns().filter((box) => !box.checked).map((box) => box.value);
    hide(numbers);
    try { localStorage.setItem(HIDDEN, JSON.stringify(numbers)); } catch { /* the browser stores nothing */ }
  };
  const remembered = () => {
    try { return JSON.parse(localStorage.getItem(HIDDEN)); } catch { return null; }
  };

  const move = (cell, rows) => {
    const row = cell.closest('tr');
    const all = [...row.parentElement.rows];
    const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(row) + rows))];
    const wanted = next.cells[cell.cellIndex];
    wanted.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  };
  const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e6, End: 1e6 };
  document.addEventListener('keydown', (event) => {
    const cell = event.target.closest?.('#worklist [role=gridcell]');
    if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in STEPS) move(cell, STEPS[event.key]);
    else if (event.key === ' ') {
      const box = cell.closest('tr').querySelector('input[data-exam]');
      tick(box.dataset.exam, !box.checked);
      showTicks();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener('focusin', ({ target }) => {
    const row = target.closest?.('#worklist tbody tr');
    if (!row) return;
    for (const other of table().querySelectorAll('tr.framed')) other.classList.remove('framed');
    row.classList.add('framed');
  });

  const begin = () => {
    let shown = null;
    let known = false;
    new MutationObserver(() => {
      if (!known && columns().length) {
        known = true;
        hide(remembered() ?? columns().filter((box) => !box.checked).map((box) => box.value));
      }
      if (table() !== shown) {
        shown = table();
        showTicks();
      }
    }).observe(document.body, { childList: true, subtree: true });
  };
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin);
})();
