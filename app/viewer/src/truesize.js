// True size: one millimetre of tissue (as the file is calibrated) on one millimetre of this screen. A browser does not
// know the size of its screen, so the reader fits a drawn card to a real one, once. The result is stored in this browser.
import { make, makeButton, openDialog } from './dom.js';

export const CARD_MM = 85.6; // ISO/IEC 7810 ID-1: bank cards, driving licences
const DEFAULT_CARD_PIXELS = 324; // at 96 CSS pixels an inch
const STORAGE_KEY = 'mvmlm css pixels a card';

/** CSS pixels that a card takes on this screen; 0 where nobody fitted one yet. */
export function cardPixels() { return Math.max(0, Number(localStorage.getItem(STORAGE_KEY)) || 0); }

/** Show every linked view at true size; on an unknown screen, ask the reader to fit the card first. */
export function showTrueSize(room) {
  if (cardPixels() > 0) apply(room, cardPixels());
  else fitCard(room, DEFAULT_CARD_PIXELS);
}

/** Show a view, which has a pixel size, at true size. One that becomes smaller than it hung hangs at that size. */
export function toTrueSize(port, card) {
  const scale = CARD_MM / card;
  if (scale < port.home.scale) port.zoomTo(scale);
  else port.hang(scale);
}

function apply(room, card) {
  const kinds = new Set();
  let uncalibrated = 0;
  room.forEachLinked((port) => {
    if (!port.spacing) { uncalibrated += 1; return; }
    toTrueSize(port, card);
    kinds.add(port.spacing_kind);
  });
  const message = [kinds.size ? `True size, ${[...kinds].join(' and ')}.` : '', uncalibrated ? `${uncalibrated} without a pixel size: no true size.` : ''].filter(Boolean).join(' ');
  const dialog = replaceDialog(room, 'True size');
  dialog.classList.add('small');
  const again = () => { dialog.remove(); fitCard(room, card); };
  dialog.append(make('p', '', message), makeButton('Fit the card again', again), makeButton('Close', () => dialog.remove()));
}

function fitCard(room, start) {
  const dialog = replaceDialog(room, 'Fit a card to the screen');
  const card = make('div', 'card');
  const width = make('input', '');
  Object.assign(width, { type: 'range', min: 150, max: 900, step: 1, value: start });
  width.setAttribute('aria-label', 'Width of the card');
  const draw = () => { card.style.width = width.value + 'px'; };
  width.addEventListener('input', draw);
  draw();
  const confirm = () => {
    localStorage.setItem(STORAGE_KEY, width.value);
    dialog.remove();
    apply(room, Number(width.value));
  };
  dialog.append(
    make('p', '', 'Hold a bank card against the screen and move the slider until the bar is as long as the card.'),
    card, width, makeButton('It fits', confirm), makeButton('Cancel', () => dialog.remove()),
  );
  width.focus();
}

function replaceDialog(room, label) {
  room.root.querySelector('.sheet')?.remove();
  return openDialog(room.root, label);
}
