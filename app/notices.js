// How high the lines under the bar are: the notices, and a question about a file. The pictures begin below them.
(() => {
  const lines = new Set(['notices', 'file-question']);
  const measure = (node) => document.documentElement.style.setProperty(`--${node.id}`, `${Math.ceil(node.getBoundingClientRect().height)}px`);
  const resized = new ResizeObserver((entries) => entries.forEach((entry) => measure(entry.target)));
  new MutationObserver((_, mounted) => {
    for (const name of lines) {
      const node = document.getElementById(name);
      if (node) { resized.observe(node); lines.delete(name); }
    }
    if (!lines.size) mounted.disconnect();
  }).observe(document, { childList: true, subtree: true });
})();
