// The toolbar above the views, and the list of keys.
import { make, makeButton, openDialog } from './dom.js';
import { LAYOUTS } from './hanging.js';
import { KEYS } from './keys.js';
import { LEFT_TOOLS } from './stage.js';

const ALIGN_TEXT = { '': 'Align', line: 'Align: line', nipple: 'Align: nipple' };

/** -> {element, update, toggleKeyList}. `update` brings pressed buttons in line with the room's state. */
export function mountToolbar(room) {
  const element = make('div', 'tools');
  element.setAttribute('role', 'toolbar');
  element.setAttribute('aria-label', 'Viewer');
  const updates = [];
  const addGroup = (label) => {
    const group = make('div', 'set');
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', label);
    element.append(group);
    return group;
  };
  const addButton = (group, text, title, onClick, isPressed) => {
    const node = makeButton(text, onClick);
    node.title = title;
    if (isPressed) updates.push(() => node.setAttribute('aria-pressed', String(isPressed())));
    group.append(node);
    return node;
  };
  const addKeyButton = (group, text, key, isPressed) =>
    addButton(group, text, `${KEYS[key].description} (key ${key})`, () => KEYS[key].run(room), isPressed);

  const layouts = addGroup('Layout');
  Object.entries(LAYOUTS).forEach(([name, layout], index) =>
    addButton(layouts, layout.label, `key ${index + 1}`, () => room.arrange(name, room.active), () => room.layout === name));
  const tools = addGroup('Left button');
  for (const [name, tool] of Object.entries(LEFT_TOOLS)) addKeyButton(tools, tool.label, tool.key, () => room.tool === name);
  tools.append(markLabelChoice(room.marks));
  const actions = addGroup('Picture');
  for (const [key, text] of [['f', 'Fit'], ['o', '1:1'], ['i', 'Invert'], ['v', 'Window'], ['r', 'Reset']]) addKeyButton(actions, text, key);
  addKeyButton(actions, 'Linked', 'k', () => room.linked);
  addKeyButton(actions, 'Cross', 'e', () => Boolean(room.crossing));
  const align = addKeyButton(actions, 'Align', 'j', () => Boolean(room.align));
  updates.push(() => { align.textContent = ALIGN_TEXT[room.align]; });
  if (room.comparable) addKeyButton(actions, 'Prior', 'y', () => room.compare);
  addKeyButton(actions, 'True size', 'u');
  addKeyButton(actions, 'Model', 'h', () => !room.hideMaps);
  addKeyButton(actions, 'Texts', 't', () => !room.root.classList.contains('quiet'));
  addButton(actions, '?', 'all keys', () => toggleKeyList(room.root));
  return { element, toggleKeyList: () => toggleKeyList(room.root), update: () => updates.forEach((update) => update()) };
}

function markLabelChoice(marks) {
  const choice = make('select', '');
  choice.setAttribute('aria-label', 'What a new mark is');
  for (const name of marks.labels) choice.append(new Option(name, name));
  choice.value = marks.label;
  choice.addEventListener('change', () => { marks.label = choice.value; });
  return choice;
}

function toggleKeyList(root) {
  const open = root.querySelector('.sheet');
  if (open) { open.remove(); return; }
  const list = make('dl', '');
  for (const [key, action] of Object.entries(KEYS)) list.append(make('dt', '', key), make('dd', '', action.description));
  openDialog(root, 'Keys').append(list, make('p', '', 'Right button: zoom. Middle button: pan. Wheel: zoom. A browser cannot promise a calibrated (GSDF) display.'));
}
