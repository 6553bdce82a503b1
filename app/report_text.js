// The editable report of the panel. It follows the form until the reader edits it; then it stays as the reader left it.
(() => {
  const RESEARCH_ONLY = 'Research use only, not for diagnosis.';
  let made = ''; // what is shown, as the form made it
  const mark = (text) => document.getElementById('page-report')?.classList.toggle('report-edited', text !== made);
  const copied = (whether) => document.getElementById('page-report')?.classList.toggle('report-copied', whether);
  const show = (text, shown) => {
    made = shown;
    mark(text);
    return [text, shown];
  };
  document.addEventListener('input', (event) => {
    if (!event.target.closest?.('#report-text')) return;
    mark(event.target.value);
    copied(false);
  });

  /** Copy a text where the page may not use the clipboard itself: it is served without TLS. */
  const copyBySelection = (text) => {
    const field = document.createElement('textarea');
    field.value = text;
    field.style.position = 'fixed';
    document.body.append(field);
    const focused = document.activeElement;
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    focused?.focus?.();
    if (!done) throw new Error('the browser refused');
  };

  window.reportText = {
    /** The form made another report. */
    follow: (given, text, shown) => (text === shown ? show(given, given) : show(text, shown)),
    anew: (given) => show(given, given),
    /** Copy the report, never without the line on its use; return what happened as HTML. */
    copy: async (text) => {
      if (!text.trim()) return '<p class="wrong">Nothing to copy: start a read first.</p>';
      const whole = text.includes('Research use only') ? text : `${text.trimEnd()}\n\n${RESEARCH_ONLY}`;
      try {
        await (navigator.clipboard ? navigator.clipboard.writeText(whole) : copyBySelection(whole));
      } catch (error) {
        return '<p class="wrong">Not copied: the browser does not allow it. Select the text and press Ctrl+C.</p>';
      }
      copied(true);
      return `<p>Copied at ${new Date().toLocaleTimeString([], { hour12: false })}.</p>`;
    },
  };
})();
