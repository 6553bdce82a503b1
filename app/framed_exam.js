// Lists of exams: Enter, a double click and the list's button open the exam of the framed row. The button names it.
(() => {
  const BUTTONS = { worklist: 'read-exam', 'next-table': 'read-next', 'alike-table': 'alike-open' }; // by list
  const framed = {}; // list -> {row, number}
  const listOf = (target) => Object.keys(BUTTONS).find((list) => target.closest?.(`#${list} [role=gridcell]`));
  const textOf = (row, column) => row.querySelector(`[role=gridcell][data-col="${column}"]`)?.innerText.trim() || '';

  /** The number of the framed exam, null where the list has changed since. */
  const numberOf = (list) => {
    const { row, number } = framed[list] || {};
    return number && row.isConnected && Number(textOf(row, 0)) === number ? number : null;
  };
  const nameButton = (list) => {
    const button = document.getElementById(BUTTONS[list]);
    if (!button) return;
    if (numberOf(list)) button.dataset.exam = textOf(framed[list].row, 1);
    else delete button.dataset.exam;
  };
  const frame = (list, target) => {
    framed[list]?.observer.disconnect();
    const row = target.closest('[role=row]');
    const observer = new MutationObserver(() => nameButton(list));
    framed[list] = { row, number: Number(textOf(row, 0)), observer };
    observer.observe(document.getElementById(list), { childList: true, characterData: true, subtree: true });
    nameButton(list);
  };
  const open = (event) => {
    const list = listOf(event.target);
    if (!list) return;
    event.preventDefault();
    event.stopPropagation();
    frame(list, event.target);
    document.getElementById(BUTTONS[list]).click();
  };
  document.addEventListener('focusin', (event) => { const list = listOf(event.target); if (list) frame(list, event.target); }, true);
  document.addEventListener('keydown', (event) => { if (event.key === 'Enter') open(event); }, true);
  document.addEventListener('dblclick', open, true);
  window.framedExam = numberOf;
})();
