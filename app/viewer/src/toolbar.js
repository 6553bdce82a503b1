// The toolbar above the views, and the list of keys.
import { make, makeButton, openDialog, togglePanel } from './dom.js';
import { EXTRA, LAYOUTS } from './hanging.js';
import { KEYS } from './keys.js';
import { checkDisplay } from './selftest.js';
import { LEFT_TOOLS } from './stage.js';

const SHORT_KEYS = { Tab: '⇥' }; // as it stands on the button
const ALIGN_TEXT = { '': 'Align', line: 'Align: line', nipple: 'Align: nipple' };

/** -> {element, update, toggleKeyList}. `update` brings pressed buttons in line with the room's state. */
export function mountToolbar(room) {
  const element = make('div', 'tools');
  element.setAttribute('role', 'toolbar');
  element.setAttribute('aria-label', 'Viewer');
  const updates = [];
  const addGroup = (label, kind = '') => {
    const group = make('div', 'set ' + kind);
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', label);
    element.append(group);
    return group;
  };
  const addButton = (group, text, title, onClick, isPressed, key) => {
    const node = makeButton(text, onClick);
    node.title = key ? `${title} (key ${key})` : title;
    if (key) node.dataset.key = SHORT_KEYS[key] || key.replace('Shift+', '⇧');
    if (isPressed) updates.push(() => node.setAttribute('aria-pressed', String(isPressed())));
    group.append(node);
    return node;
  };
  const addKeyButton = (group, text, key, isPressed) =>
    addButton(group, text, KEYS[key].description, () => KEYS[key].run(room), isPressed, KEYS[key].shown || key);

  const files = addGroup('Exam');
  addButton(files, 'Open', 'open another exam', () => document.body.classList.toggle('opening'));
  addButton(files, 'Panel', 'show or hide the panel', togglePanel, () => !document.body.classList.contains('panel-closed'), 'Tab');
  const layouts = addGroup('Layout', 'two');
  Object.entries(LAYOUTS).forEach(([name, layout], index) =>
    addButton(layouts, layout.label, KEYS[index + 1].description, () => room.arrange(name, room.active), () => room.layout === name, String(index + 1)));
  const hanging = addGroup('Hanging');
  addKeyButton(hanging, 'Hanging', 'Z');
  addKeyButton(hanging, 'Quadrant', 'Q');
  if (room.comparable) addKeyButton(hanging, 'Prior', 'y', () => room.compare);
  if (room.extras().length) addKeyButton(hanging, `${room.extras().length} more`, 'X', () => room.layout === EXTRA);
  const tools = addGroup('Left button');
  for (const [name, tool] of Object.entries(LEFT_TOOLS)) addKeyButton(tools, tool.label, tool.key, () => room.tool === name);
  const pictures = addGroup('Picture', 'two');
  for (const [key, text] of [['f', 'Fit'], ['o', '1:1'], ['i', 'Invert'], ['0', 'Reset']]) addKeyButton(pictures, text, key);
  const actions = addGroup('View');
  addKeyButton(actions, 'Presets', 'W');
  addKeyButton(actions, 'Link W/L', 'K', () => room.windowsLinked);
  addKeyButton(actions, 'Linked', 'k', () => room.linked);
  addKeyButton(actions, 'Cross', 'e', () => Boolean(room.crossing));
  const align = addKeyButton(actions, 'Align', 'j', () => Boolean(room.align));
  updates.push(() => { align.textContent = ALIGN_TEXT[room.align]; });
  addKeyButton(actions, 'True size', 'u');
  addKeyButton(actions, 'Factors', 'I');
  addKeyButton(actions, 'Model', 'h', () => !room.hideMaps);
  const others = addKeyButton(actions, 'Others', 'O', () => room.others.visible);
  updates.push(() => { others.hidden = !room.others.objects; others.textContent = `Others (${room.others.objects})`; });
  addKeyButton(actions, 'Shutter', 's', () => !room.root.classList.contains('unshuttered'));
  addKeyButton(actions, 'Texts', 'c', () => !room.root.classList.contains('quiet'));
  addButton(actions, '?', 'all keys', () => toggleKeyList(room));
  return { element, toggleKeyList: () => toggleKeyList(room), update: () => updates.forEach((update) => update()) };
}

function toggleKeyList(room) {
  const open = room.root.querySelector('.sheet');
  if (open) { open.remove(); return; }
  const list = make('dl', '');
  for (const [key, action] of Object.entries(KEYS)) list.append(make('dt', '', action.shown || key), make('dd', '', action.description));
  openDialog(room.root, 'Keys').append(makeButton('Check this display', () => checkDisplay(room)), list, make('p', '', 'Right button: zoom. Middle button: pan. Wheel: zoom about the pointer. A browser cannot promise a calibrated (GSDF) display.'));
}
