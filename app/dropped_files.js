// Files and folders that are dropped anywhere on the reading page are opened; elsewhere a drop never leaves the page.
(() => {
  const hasFiles = (event) => Array.from(event.dataTransfer?.types || []).includes('Files');
  const reading = () => Boolean(document.getElementById('viewer')?.getClientRects().length);
  const input = () => document.querySelector('#uploads input[type=file]');
  const show = (dropping) => document.body.classList.toggle('dropping', dropping);

  /** The files in an entry of a drop, which may be a folder. */
  const filesIn = async (entry) => {
    if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
    const reader = entry.createReader(), found = [];
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // at most 100 at a time
      if (!some.length) return found;
      for (const one of some) found.push(...await filesIn(one));
    }
  };

  const open = async (entries, files) => {
    const folders = entries.some((entry) => entry?.isDirectory);
    const found = folders ? (await Promise.all(entries.filter(Boolean).map(filesIn))).flat() : files;
    const chosen = new DataTransfer();
    for (const file of found) chosen.items.add(file);
    if (!input() || !chosen.files.length) return;
    input().files = chosen.files;
    input().dispatchEvent(new Event('change', { bubbles: true }));
  };

  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    if (reading()) show(true);
    event.preventDefault();
  });
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) show(false); });
  document.addEventListener('drop', (event) => {
    show(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (!reading()) return;
    event.stopPropagation(); // Gradio's own upload box would take the files a second time
    const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry?.()); // gone after this event
    open(entries, Array.from(event.dataTransfer.files));
  }, true);
})();
