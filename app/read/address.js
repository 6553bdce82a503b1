// The address of the page: it names the open exam, and the browser's Back and Forward open what it names. Gradio finds the
// names of the events in this text.
const opened = { address: '', read: null }; // on screen
const named = () => new URLSearchParams(location.search).get('exam') || '';

/** Name what is on screen in the address. The read is no part of it, but this window remembers it with it. */
function write(push) {
  const url = new URL(location.href);
  if (opened.address) url.searchParams.set('exam', opened.address); else url.searchParams.delete('exam');
  const step = push && url.href !== location.href;
  history[step ? 'pushState' : 'replaceState']({ ...history.state, read: opened.read }, '', url);
}

function visit(address, read) {
  document.activeElement?.blur?.(); // what is being typed is saved with the exam it is about, before another is opened
  document.querySelector('#pages > .tab-wrapper [role=tab]')?.click(); // what is opened is seen on the page Read
  if (!address) document.body.classList.add('opening'); // the start page; the exam stays open below it
  else if (address !== opened.address || (read && read !== opened.read)) trigger('visited', { address, read: read || null, reader: window.readerHere.get() });
  else backToExam();
}

/** From the start page to the exam that is open below it. */
function backToExam() {
  document.body.classList.remove('opening');
  write(true);
}

watch('value', () => {
  const value = props.value || {};
  if (!value.token) return; // before anything is opened
  Object.assign(opened, value);
  if (value.reader) window.readerHere.set(value.reader);
  document.body.classList.toggle('read-kept', Boolean(value.kept)); // marks are kept with a read
  write(value.another);
  document.body.classList.toggle('exam-stored', /^exam-/.test(opened.address));
  document.title = /^exam-/.test(opened.address) ? `${opened.address} · MV-MLM` : 'MV-MLM';
});

window.addEventListener('popstate', (event) => visit(named(), event.state?.read));
window.addEventListener('keydown', (event) => {
  if (!document.body.matches('.exam-open.opening')) return;
  event.stopPropagation(); // no key changes an exam that is out of sight
  if (event.key === 'Escape') backToExam();
}, true);
document.addEventListener('click', (event) => {
  if (event.target.closest?.('#back-to-exam')) { event.preventDefault(); backToExam(); return; }
  const link = event.target.closest?.('a[data-exam]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  visit(link.dataset.exam, Number(link.dataset.read));
});

// the start page lists what is open at the moment at which it is shown
let listed = true;
new MutationObserver(() => {
  const shown = !document.body.matches('.exam-open:not(.opening)');
  if (shown && !listed) trigger('listed');
  listed = shown;
}).observe(document.body, { attributes: true, attributeFilter: ['class'] });

/** Whether something would be lost with the page: marks that are not kept, or an edited report that was not copied. */
window.holdsUnkept = () => {
  const marks = document.querySelector('.reading-room')?.room?.marks;
  const unkept = marks && (marks.timer || (!opened.kept && marks.all().length));
  return Boolean(unkept || document.querySelector('#page-report.report-edited:not(.report-copied)'));
};
