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

/** An empty dialog over the viewer. */
export function openDialog(root, label) {
  const dialog = make('div', 'sheet');
  dialog.setAttribute('role', 'dialog');
  dialog.setAttribute('aria-label', label);
  root.append(dialog);
  return dialog;
}
