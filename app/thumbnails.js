// Thumbnails: a <span data-thumbnail="12"> gets the picture of exam 12 once it is near to what is seen, two at a time,
// because a browser has few connections to a host and the events of the page need them more.
(() => {
  const AT_ONCE = 2;
  const waiting = new Set();
  let loading = 0;

  const next = () => {
    for (const place of waiting) {
      if (loading >= AT_ONCE) return;
      waiting.delete(place);
      if (!place.isConnected) continue;
      loading += 1;
      const image = new Image();
      const done = (loaded) => {
        loading -= 1;
        place.dataset.state = loaded ? 'loaded' : 'none';
        if (loaded) place.append(image);
        next();
      };
      image.alt = '';
      image.onload = () => done(true);
      image.onerror = () => done(false);
      image.src = `thumbnail/${Number(place.dataset.thumbnail)}.jpg`;
    }
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || target.dataset.state) continue;
      target.dataset.state = 'waiting';
      waiting.add(target);
      seen.unobserve(target);
    }
    next();
  }, { rootMargin: '200px' });
  const observe = () => {
    for (const place of document.querySelectorAll('[data-thumbnail]:not([data-state])')) seen.observe(place);
  };
  const begin = () => {
    let planned = false;
    new MutationObserver(() => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => { planned = false; observe(); });
    }).observe(document.body, { childList: true, subtree: true });
    observe();
  };
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin);
})();
