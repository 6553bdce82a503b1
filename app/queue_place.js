// How many events of other people are answered before this page's: said where it waits longer than a moment.
(() => {
  const SOON_MS = 1500;
  const places = new Map(); // event -> how many before it
  let timer = 0;

  function show() {
    timer = 0;
    const before = Math.max(0, ...places.values());
    let line = document.getElementById('queue-place');
    if (!before) {
      if (line) line.remove();
      return;
    }
    if (!line) {
      line = Object.assign(document.createElement('p'), { id: 'queue-place' });
      line.setAttribute('role', 'status');
      document.body.append(line);
    }
    const words = `Many people use the app at the moment: ${before} before you.`;
    if (line.textContent !== words) line.textContent = words;
  }

  /** Take note of the place of an event in the queue; 0 where it waits no more. */
  window.queuePlace = (event, before) => {
    if (before) places.set(event, before);
    else places.delete(event);
    if (document.getElementById('queue-place')) show();
    else if (places.size && !timer) timer = setTimeout(show, SOON_MS);
  };
})();
