// The viewer's keys: what each one does, and its description in the list of keys.
import { hideCross } from './cross.js';
import { LEFT_TOOLS } from './stage.js';
import { showTrueSize } from './truesize.js';

/** How the views are aligned: fitted, nipples at one height, or nipples at one height and depth. */
const ALIGNMENTS = ['', 'line', 'nipple'];

function nextAlignment(room) {
  room.align = ALIGNMENTS[(ALIGNMENTS.indexOf(room.align) + 1) % ALIGNMENTS.length];
  room.bar.update();
  room.hang();
}

function reset(room) {
  room.visiblePorts().forEach((port) => port.reset());
  room.hang();
}

function toggleLink(room) {
  room.linked = !room.linked;
  room.bar.update();
}

function toggleTexts(room) {
  room.root.classList.toggle('quiet');
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

export const KEYS = {
  1: { description: 'all four views', run: (room) => room.arrange('four') },
  2: { description: 'both CC', run: (room) => room.arrange('cc') },
  3: { description: 'both MLO', run: (room) => room.arrange('mlo') },
  4: { description: 'right breast', run: (room) => room.arrange('right') },
  5: { description: 'left breast', run: (room) => room.arrange('left') },
  6: { description: 'this view alone', run: (room) => room.arrange('single', room.active) },
  n: { description: 'next step of the reading protocol', run: (room) => room.next(1) },
  p: { description: 'previous step', run: (room) => room.next(-1) },
  f: { description: 'fit, chest walls flush', run: (room) => room.hang() },
  y: { description: 'the earlier exam beside this one, where the files hold one', run: (room) => room.togglePrior() },
  j: { description: 'align the views: at the posterior line (nipples level), at the nipple itself (estimated), or fit them again', run: nextAlignment },
  u: { description: 'true size (once for each screen: hold a card against it)', run: showTrueSize },
  o: { description: '1:1 pixels', run: (room) => room.forEachLinked((port) => port.oneToOne()) },
  q: { description: 'next part of this view at 1:1', run: (room) => (room.active || room.visiblePorts()[0]).nextTile() },
  i: { description: 'invert', run: (room) => room.forEachLinked((port) => port.invert()) },
  v: { description: 'next window or VOI LUT of the file', run: (room) => room.forEachLinked((port) => port.nextWindow()) },
  r: { description: 'reset window and position', run: reset },
  k: { description: 'link or unlink zoom and pan', run: toggleLink },
  t: { description: 'corner texts on or off', run: toggleTexts },
  h: { description: 'hide or show the model’s output: map, scores, answers', run: toggleModel },
  e: { description: 'show the spot under the pointer in the other views', run: toggleCross },
  Delete: { description: 'delete the mark or measurement under the pointer (Ctrl+Z and Ctrl+Y: undo and redo)', run: (room) => room.stage.removeSelected() },
  '?': { description: 'this list', run: (room) => room.bar.toggleKeyList() },
};
for (const [name, tool] of Object.entries(LEFT_TOOLS)) {
  KEYS[tool.key] = { description: tool.description, run: (room) => room.setLeftTool(name) };
}
