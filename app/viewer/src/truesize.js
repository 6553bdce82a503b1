// True size: one millimetre of tissue (as the file is calibrated) on one millimetre of this screen. A browser does not know
// its screen, so the reader fits a drawn card to a real one, once; the answer stays in this browser.
import { make } from './viewer.js';

const CARD_MM = 85.6; // ISO/IEC 7810 ID-1: bank cards, driving licences
const KEPT = 'mvmlm css pixels a card';

export function trueSize(room) {
  const kept = Number(localStorage.getItem(KEPT));
  if (kept > 0) apply(room, kept);
  else fit(room, 324);
}

function apply(room, pixels) {
  let uncalibrated = 0;
  room.each((port) => {
    if (port.spacing) port.zoomTo(CARD_MM / pixels);
    else uncalibrated += 1;
  });
  const said = uncalibrated ? 'True size needs a file that says its pixel size; this one does not.' : 'True size at the detector.';
  note(room, said, () => fit(room, pixels));
}

function note(room, said, again) {
  room.root.querySelector('.sheet')?.remove();
  const box = sheet(room, 'True size');
  box.classList.add('small');
  box.append(make('p', '', said), button('Fit the card again', () => { box.remove(); again(); }), button('Close', () => box.remove()));
}

function fit(room, pixels) {
  room.root.querySelector('.sheet')?.remove();
  const box = sheet(room, 'Fit a card to the screen');
  const card = make('div', 'card');
  const width = make('input', '');
  Object.assign(width, { type: 'range', min: 150, max: 900, step: 1, value: pixels });
  width.setAttribute('aria-label', 'Width of the card');
  const draw = () => { card.style.width = width.value + 'px'; };
  width.addEventListener('input', draw);
  draw();
  box.append(
    make('p', '', 'Hold a bank card against the screen and move the slider until the bar is as long as the card.'), card, width,
    button('It fits', () => { localStorage.setItem(KEPT, width.value); box.remove(); apply(room, Number(width.value)); }),
    button('Cancel', () => box.remove()),
  );
  width.focus();
}

function sheet(room, label) {
  const box = make('div', 'sheet');
  box.setAttribute('role', 'dialog');
  box.setAttribute('aria-label', label);
  room.root.append(box);
  return box;
}

function button(text, does) {
  const node = make('button', '', text);
  node.type = 'button';
  node.addEventListener('click', does);
  return node;
}
