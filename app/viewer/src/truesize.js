// True size: one millimetre of tissue (as the file is calibrated) on one millimetre of this screen. A browser does not
// know the size of its screen, so the reader fits a drawn card to a real one, once. The result is stored in this browser.
import { make, makeButton, openDialog } from './dom.js';

const CARD_MM = 85.6; // ISO/IEC 7810 ID-1: bank cards, driving licences
const DEFAULT_CARD_PIXELS = 324; // at 96 CSS pixels an inch
const STORAGE_KEY = 'mvmlm css pixels a card';

/** Show every linked view at true size; on an unknown screen, ask the reader to fit the card first. */
export function showTrueSize(room) {
  const cardPixels = Number(localStorage.getItem(STORAGE_KEY));
  if (cardPixels > 0) apply(room, cardPixels);
  else fitCard(room, DEFAULT_CARD_PIXELS);
}

function apply(room, cardPixels) {
  let uncalibrated = 0;
  room.forEachLinked((port) => {
    if (port.spacing) port.zoomTo(CARD_MM / cardPixels);
    else uncalibrated += 1;
  });
  const message = uncalibrated ? 'True size needs a file with a pixel size; this one has none.' : 'True size at the detector.';
  const dialog = replaceDialog(room, 'True size');
  dialog.classList.add('small');
  const again = () => { dialog.remove(); fitCard(room, cardPixels); };
  dialog.append(make('p', '', message), makeButton('Fit the card again', again), makeButton('Close', () => dialog.remove()));
}

function fitCard(room, cardPixels) {
  const dialog = replaceDialog(room, 'Fit a card to the screen');
  const card = make('div', 'card');
  const width = make('input', '');
  Object.assign(width, { type: 'range', min: 150, max: 900, step: 1, value: cardPixels });
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
