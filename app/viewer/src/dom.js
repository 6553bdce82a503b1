// Small DOM elements that the viewer is made of. Texts are set with textContent, never as HTML.

/** An element with a class and, where given, a text. */
export function make(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A button of the viewer. */
export function makeButton(text, onClick) {
  const node = make('button', '', text);
  node.type = 'button';
  node.addEventListener('click', onClick);
  return node;
}

/** Close every dialog over the viewer. */
export function closeDialogs(room) { room.root.querySelectorAll('.sheet').forEach((dialog) => dialog.remove()); }

/** An empty dialog over the viewer. */
export function openDialog(root, label) {
  const dialog = make('div', 'sheet');
  dialog.setAttribute('role', 'dialog');
  dialog.setAttribute('aria-label', label);
  root.append(dialog);
  return dialog;
}

const SAID_MS = 3000;
let sayTimer;

/** Tell the reader something for three seconds, such as why a key did nothing. */
export function say(text) {
  let note = document.querySelector('.key-note');
  if (!note) {
    note = make('div', 'key-note');
    note.setAttribute('role', 'status');
    document.body.append(note);
  }
  note.textContent = text;
  note.hidden = false;
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => { note.hidden = true; }, SAID_MS);
}

/** Show or hide the panel beside the viewer. */
export function togglePanel() { document.body.classList.toggle('panel-closed'); }
