// Who read last in this window, else in this browser: whose drafts the start page lists, and an address opens again.
(() => {
  const NAME = 'mvmlm-reader';
  window.readerHere = {
    get() {
      try {
        return sessionStorage.getItem(NAME) || localStorage.getItem(NAME) || '';
      } catch (error) { // the browser keeps nothing for this page
        return '';
      }
    },
    set(name) {
      try {
        sessionStorage.setItem(NAME, name);
        localStorage.setItem(NAME, name);
      } catch (error) { /* then no draft is listed */ }
    },
  };
})();
