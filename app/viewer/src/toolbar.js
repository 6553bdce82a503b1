// The bar above the views and the sheet of keys.
import { KEYS, make } from './viewer.js';
import { LAYOUTS } from './hanging.js';
import { LEFT_TOOLS } from './stage.js';

export function mountToolbar(room) {
  const element = make('div', 'tools');
  element.setAttribute('role', 'toolbar');
  element.setAttribute('aria-label', 'Viewer');
  const pressed = [];
  const set = (label) => {
    const group = make('div', 'set');
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', label);
    element.append(group);
    return group;
  };
  const button = (group, text, title, does, isPressed) => {
    const node = make('button', '', text);
    node.type = 'button';
    node.title = title;
    node.addEventListener('click', does);
    if (isPressed) pressed.push(() => node.setAttribute('aria-pressed', String(isPressed())));
    group.append(node);
    return node;
  };
  const layouts = set('Layout');
  Object.entries(LAYOUTS).forEach(([name, layout], index) =>
    button(layouts, layout.says, `key ${index + 1}`, () => room.arrange(name, room.active), () => room.layout === name));
  const tools = set('Left button');
  Object.entries(LEFT_TOOLS).forEach(([name, tool]) =>
    button(tools, tool.label, `${tool.says} (key ${tool.key})`, () => room.use(name), () => room.tool === name));
  const label = make('select', '');
  label.setAttribute('aria-label', 'What a new mark is');
  for (const name of room.marks.labels) label.append(new Option(name, name));
  label.value = room.marks.label;
  label.addEventListener('change', () => { room.marks.label = label.value; });
  tools.append(label);
  const actions = set('Picture');
  for (const [key, text] of [['f', 'Fit'], ['o', '1:1'], ['i', 'Invert'], ['v', 'Window'], ['r', 'Reset']]) {
    button(actions, text, `${KEYS[key].says} (key ${key})`, () => KEYS[key].does(room));
  }
  button(actions, 'Linked', KEYS.k.says + ' (key k)', () => KEYS.k.does(room), () => room.linked);
  button(actions, 'Cross', KEYS.e.says + ' (key e)', () => KEYS.e.does(room), () => Boolean(room.crossing));
  const align = button(actions, 'Align', KEYS.j.says + ' (key j)', () => KEYS.j.does(room), () => Boolean(room.align));
  pressed.push(() => { align.textContent = { '': 'Align', line: 'Align: line', nipple: 'Align: nipple' }[room.align]; });
  if (room.comparable) button(actions, 'Prior', KEYS.y.says + ' (key y)', () => KEYS.y.does(room), () => room.compare);
  button(actions, 'True size', KEYS.u.says + ' (key u)', () => KEYS.u.does(room));
  button(actions, 'Model', KEYS.h.says + ' (key h)', () => KEYS.h.does(room), () => !room.hideMaps);
  button(actions, 'Texts', KEYS.t.says + ' (key t)', () => KEYS.t.does(room), () => !room.root.classList.contains('quiet'));
  button(actions, '?', 'all keys', () => sheet());

  function sheet() {
    const there = room.root.querySelector('.sheet');
    if (there) { there.remove(); return; }
    const box = make('div', 'sheet');
    box.setAttribute('role', 'dialog');
    box.setAttribute('aria-label', 'Keys');
    const list = make('dl', '');
    for (const [key, action] of Object.entries(KEYS)) list.append(make('dt', '', key), make('dd', '', action.says));
    box.append(list, make('p', '', 'Right button: zoom. Middle button: pan. Wheel: zoom. A browser cannot promise a calibrated (GSDF) display.'));
    room.root.append(box);
  }
  return { element, sheet, update: () => pressed.forEach((one) => one()) };
}
