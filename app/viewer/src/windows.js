// The windows of an exam: chosen from a list or by a key, dragged, and linked between its views.
import { make, makeButton, openDialog } from './dom.js';

const FUNCTION_NAMES = { LINEAR: 'linear', LINEAR_EXACT: 'linear, exact', SIGMOID: 'sigmoid', TABLE: 'VOI LUT', LOG: 'logarithm' };
const KIND_NAMES = { breast: 'from the values of this breast', range: 'all values', preview: 'raw data, not meant for reading' };
const KEYS_OF_KINDS = { breast: '8', range: '9' };

/** The views whose windows change with that of `port`: those of its exam, or it alone. */
function linkedTo(room, port) {
  if (!room.windowsLinked) return [port];
  return room.ports.filter((other) => other.loaded && (other.role === 'prior') === (port.role === 'prior'));
}

/** Drag the window of a port by CSS pixels; linked views change by the same part of their own windows. */
export function dragWindow(room, port, across, down) {
  port.grey.drag(across, down);
  for (const other of linkedTo(room, port)) {
    if (other !== port) other.grey.follow(port.grey);
    other.windowChanged();
  }
}

/** Choose a window by its number; linked views take theirs of the same explanation, where they have one. */
export function chooseWindow(room, port, index) {
  const chosen = port.windows[index];
  const alike = (one) => one.kind === chosen.kind && (one.kind === 'breast' || (one.name === chosen.name && one.function === chosen.function));
  const before = port.windows.slice(0, index).filter(alike).length; // a file may give several the same explanation
  return Promise.all(linkedTo(room, port).map((other) => {
    if (other === port) return other.chooseWindow(index);
    const same = other.windows.filter(alike)[before];
    return same && other.chooseWindow(other.windows.indexOf(same));
  }));
}

/** Choose the first window of a kind: the file's own, that of the breast's values, that of all values. */
export function chooseKind(room, kind) {
  const port = room.active || room.visiblePorts()[0];
  if (!port || !port.windows) return undefined;
  const index = kind === 'file' ? 0 : port.windows.findIndex((window) => window.kind === kind);
  return index < 0 ? undefined : chooseWindow(room, port, index);
}

export function nextWindow(room) {
  const port = room.active || room.visiblePorts()[0];
  return port && port.windows && chooseWindow(room, port, (port.grey.index + 1) % port.windows.length);
}

/** Show every window and VOI LUT of the active view by its explanation; a click takes it. */
export function showWindowList(room) {
  room.root.querySelector('.sheet')?.remove();
  const port = room.active && room.active.loaded ? room.active : room.visiblePorts()[0];
  if (!port) return;
  const sheet = openDialog(room.root, 'Windows');
  sheet.append(make('h2', '', `Windows of ${port.name}`));
  const buttons = port.windows.map((window, index) => {
    const button = makeButton('', async () => {
      await chooseWindow(room, port, index);
      mark();
    });
    button.className = 'preset';
    const key = index === 0 ? '7' : KEYS_OF_KINDS[window.kind];
    const figures = window.function === 'TABLE' ? '' : ` C ${Number(window.center.toPrecision(5))} W ${Number(window.width.toPrecision(5))}`;
    const facts = [FUNCTION_NAMES[window.function] + figures, KIND_NAMES[window.kind], key && `key ${key}`].filter(Boolean).join(' · ');
    button.append(make('b', '', window.name), make('span', '', facts));
    return button;
  });
  const mark = () => buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(index === port.grey.index && !port.grey.changed)));
  mark();
  sheet.append(...buttons, make('p', '', room.windowsLinked ? 'The other views of the exam take theirs of the same explanation and function.' : 'Windows are not linked: only this view changes.'));
  buttons[port.grey.index].focus();
}
