// The keys of the reading room: what each one does, and its description in the list of keys.
import { hideCross } from './cross.js';
import { closeDialogs, say, togglePanel } from './dom.js';
import { EXTRA, nextQuadrant, showHangingList } from './hanging.js';
import { guardSigning, leavingRefused } from './sign_guard.js';
import { LEFT_TOOLS } from './stage.js';
import { showTechnique } from './technique.js';
import { showTrueSize } from './truesize.js';
import { chooseKind, nextWindow, showWindowList } from './windows.js';

/** How the views are aligned: fitted, nipples at one height, or nipples at one height and depth. */
const ALIGNMENTS = ['', 'line', 'nipple'];

function nextAlignment(room) {
  room.align = ALIGNMENTS[(ALIGNMENTS.indexOf(room.align) + 1) % ALIGNMENTS.length];
  room.bar.update();
  room.hang();
}

function reset(room) {
  room.ports.filter((port) => port.loaded).forEach((port) => port.reset());
  room.hang();
}

function toggleLink(room) {
  room.linked = !room.linked;
  room.bar.update();
}

function toggleWindowLink(room) {
  room.windowsLinked = !room.windowsLinked;
  room.bar.update();
}

function showExtras(room) {
  const number = room.steps.findIndex((step) => step.layout === EXTRA);
  if (number >= 0) room.goTo(number);
  else say('This exam has no views beyond the four.');
}

function showPrior(room) {
  if (room.comparable) room.togglePrior();
  else say('No earlier exam of this patient is here.');
}

function deleteMark(room) {
  if (!room.marks.deleteOne(room.question.key)) say('Nothing to delete: point at a mark or a measurement, or select one.');
}

/** Give an opinion that asks for more: what it asks for is brought into sight. */
function opine(name) {
  document.body.classList.remove('panel-closed');
  document.querySelector('#panel-tabs [data-page=opinion]')?.click();
  press([name], CANNOT_OPINE);
}

function toggleTexts(room) {
  room.root.classList.toggle('quiet');
  room.bar.update();
}

function toggleShutter(room) {
  room.root.classList.toggle('unshuttered');
  room.bar.update();
}

function toggleModel(room) {
  room.hideMaps = document.body.classList.toggle('without-model');
  room.showMaps(room.props.maps || {});
  room.bar.update();
}

function toggleCross(room) {
  room.crossing = !room.crossing;
  if (!room.crossing) hideCross(room);
  room.bar.update();
}

/** Press the first button of the page that is shown; else tell why nothing happens. */
function press(names, why) {
  const buttons = names.map((name) => document.getElementById(name)).filter(Boolean);
  const button = buttons.find((node) => !node.disabled && !node.closest('.hidden, .hide, [hidden]'));
  if (button) button.click();
  else if (why) say(why);
}

const OPENING_MS = 3000; // so long another exam may take to open, until the key counts again

/** Press a button that opens another exam of the list, once: until that is open, or a while later, the key does nothing. */
function goOn(room, name, why) {
  const { exam, at } = room.goingOn || {};
  if (exam === room.exam && performance.now() - at < OPENING_MS) return;
  const reason = leavingRefused(room);
  if (reason) { say(reason); return; }
  room.goingOn = { exam: room.exam, at: performance.now() };
  press([name], why);
}

const CANNOT_OPINE = 'This read is signed. Press “Change this read” first.';
/** Turn to the report, so that the reader sees what is copied, and copy it. */
function copyReport() {
  document.querySelector('#panel-tabs [data-page=report]')?.click();
  document.querySelector('#copy-report')?.click();
}

export const KEYS = {
  1: { description: 'all four views', run: (room) => room.arrange('four') },
  2: { description: 'both CC', run: (room) => room.arrange('cc') },
  3: { description: 'both MLO', run: (room) => room.arrange('mlo') },
  4: { description: 'right breast', run: (room) => room.arrange('right') },
  5: { description: 'left breast', run: (room) => room.arrange('left') },
  6: { description: 'this view alone', run: (room) => room.arrange('single', room.active) },
  ' ': { shown: 'Space', description: 'next step of the hanging', run: (room) => room.next(1) },
  'Shift+ ': { shown: 'Shift+Space', description: 'previous step of the hanging', run: (room) => room.next(-1) },
  Z: { shown: 'Shift+Z', description: 'steps of the hanging, and which pair comes first', run: showHangingList },
  Q: { shown: 'Shift+Q', description: 'the next quadrant of the views on screen, mirrored for the other breast', run: nextQuadrant },
  X: { shown: 'Shift+X', description: 'repeats, implant-displaced and other views beyond the four', run: showExtras },
  f: { description: 'fit, chest walls flush', run: (room) => room.hang() },
  y: { description: 'the earlier exam beside this one, where the files hold one', run: showPrior },
  j: { description: 'align the views: at the posterior line (nipples level), at the nipple itself (estimated), or fit them again', run: nextAlignment },
  u: { description: 'true size (once for each screen: hold a card against it)', run: showTrueSize },
  I: { shown: 'Shift+I', description: 'technique factors: whose pictures, when, and how they were exposed', run: showTechnique },
  o: { description: '1:1 pixels', run: (room) => room.forEachLinked((port) => port.oneToOne()) },
  q: { description: 'next part of this view at 1:1', run: (room) => (room.active || room.visiblePorts()[0]).nextTile() },
  i: { description: 'invert', run: (room) => room.forEachLinked((port) => port.invert()) },
  v: { description: 'next window or VOI LUT of the file', run: nextWindow },
  W: { shown: 'Shift+W', description: 'all windows and VOI LUTs of this view, by their explanation', run: showWindowList },
  7: { description: 'the first window of the file', run: (room) => chooseKind(room, 'file') },
  8: { description: 'a window over the values of the breast', run: (room) => chooseKind(room, 'breast') },
  9: { description: 'a window over all values', run: (room) => chooseKind(room, 'range') },
  0: { description: 'reset window and position', run: reset },
  k: { description: 'link or unlink zoom and pan', run: toggleLink },
  K: { shown: 'Shift+K', description: 'link or unlink the windows of the views', run: toggleWindowLink },
  c: { description: 'corner texts on or off', run: toggleTexts },
  s: { description: 'shutter beyond the breast on or off', run: toggleShutter },
  Tab: { description: 'show or hide the panel', run: togglePanel },
  h: { description: 'hide or show the model’s output: map, scores, answers', run: toggleModel },
  O: { shown: 'Shift+O', description: 'show or hide the marks of other programs that lay beside the files (CAD, SR, presentation states)', run: (room) => room.others.toggle() },
  p: { description: 'copy the report', run: copyReport },
  e: { description: 'show the spot under the pointer in the other views', run: toggleCross },
  Delete: { description: 'delete the mark or measurement under the pointer, or the selected one', run: deleteMark },
  'Ctrl+z': { description: 'undo the last change of marks or form', run: () => press(['undo']) },
  'Ctrl+y': { description: 'redo it (also Ctrl+Shift+Z)', run: () => press(['redo']) },
  n: { description: 'opinion: normal', run: () => press(['opinion-normal'], CANNOT_OPINE) },
  t: { description: 'opinion: technical recall', run: () => opine('opinion-technical-recall') },
  r: { description: 'opinion: recall', run: () => opine('opinion-recall') },
  B: { shown: 'Shift+B', description: 'the two reads of an arbitration', run: () => press(['show-both'], 'No arbitration is open, or its reads are shown already.') },
  F8: { description: 'sign, and go on to the next exam of the list', run: () => press(['sign-next', 'sign'], 'There is no read to sign.') },
  PageDown: { description: 'next exam of the list', run: (room) => goOn(room, 'next-exam', 'There is no next exam.') },
  PageUp: { description: 'previous exam of the list', run: (room) => goOn(room, 'previous-exam', 'There is no previous exam.') },
  l: { description: 'thumbnails of the list', run: () => document.body.classList.toggle('strip-open') },
  '?': { description: 'this list', run: (room) => room.bar.toggleKeyList() },
  Escape: { shown: 'Esc', description: 'close a list, sheet or question', run: (room) => { closeDialogs(room); room.question.close(); } },
};
for (const [name, tool] of Object.entries(LEFT_TOOLS)) {
  KEYS[tool.key] = { shown: tool.shown, description: tool.description, run: (room) => room.setLeftTool(name) };
}

const TEXT_FIELDS = 'textarea, select, [contenteditable=""], [contenteditable="true"], input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=file])';
const PRESSED_BY_KEYS = 'button, a, summary, input, [role=tab], [role=button]';

/**
 * Run the action of a key wherever the focus is, but in a text field. Space and Enter press what was focused with the keyboard;
 * a button that was clicked keeps the focus too, and must not be pressed again by the next step of the hanging.
 */
export function listenToKeys(room) {
  guardSigning(room);
  let focusedByPointer = false;
  let pointerDown = false;
  document.addEventListener('pointerdown', () => { pointerDown = true; }, true);
  document.addEventListener('keydown', () => { pointerDown = false; }, true);
  document.addEventListener('focusin', () => { focusedByPointer = pointerDown; }, true);
  document.addEventListener('keydown', ({ key, target }) => { // from a text field back to the keys
    if (!target.closest?.(TEXT_FIELDS)) return;
    if (key === 'Escape') target.blur();
    if (key === 'Enter' && target.closest('#reader')) setTimeout(() => target.blur());
  });
  document.addEventListener('keydown', (event) => {
    if (event.altKey || !room.ports.length || !room.isShown() || event.target.closest?.(TEXT_FIELDS)) return;
    const action = KEYS[nameOf(event)];
    if (!action) return;
    if (event.key === 'Tab' && event.target !== document.body && !event.target.closest?.('.viewport')) return; // from field to field
    if (/^[ ]$|^Enter$/.test(event.key) && !focusedByPointer && event.target.closest?.(PRESSED_BY_KEYS)) return;
    event.preventDefault();
    if (!event.repeat) action.run(room);
  });
}

/** The name of a key in KEYS. */
function nameOf(event) {
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    return key === 'z' && event.shiftKey ? 'Ctrl+y' : `Ctrl+${key}`;
  }
  if (event.key === ' ') return event.shiftKey ? 'Shift+ ' : ' ';
  return event.key in KEYS && (event.shiftKey || event.key.length > 1 || !/[A-Z]/.test(event.key)) ? event.key : event.key.toLowerCase(); // not by the lock of capitals
}
