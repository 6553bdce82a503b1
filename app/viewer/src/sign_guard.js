// No double press signs two exams: signing counts only after every standard view was drawn and a reader could look at it.
import { say } from './dom.js';

const LOOK_MS = 2000; // after the last view was drawn
const PRESS_MS = 1000; // a second press within this time is a double press
const SIGN = '#sign, #sign-next';

/** Why the open exam cannot be signed yet; "" if it can. */
export function refusal(room) {
  const standard = room.ports.filter((port) => (port.role === 'current' || port.role === 'asked') && port.address);
  const missing = standard.filter((port) => !room.painted.has(port));
  if (missing.length) return `Not signed: ${missing.map((port) => port.name).join(', ')} was not on screen in full quality yet.`;
  if (!room.drawnAt) return 'Not signed: the views are not drawn yet.';
  if (performance.now() - room.drawnAt < LOOK_MS) return 'Not signed: the views were drawn less than 2 seconds ago. Press again.';
  return '';
}

/** Ask once, where views beyond the four were not on screen: "" if there are none, or if the reader was asked a while ago. */
function question(room) {
  if (room.shown().extra || (room.askedAt && performance.now() - room.askedAt > PRESS_MS)) return '';
  room.askedAt ||= performance.now();
  const names = room.extras().map((port) => [port.name, ...port.modifiers].join(' ')).join(', ');
  return `Not signed: ${names} ${room.extras().length > 1 ? 'were' : 'was'} not shown yet. Shift+X shows what is left; or sign again to sign without.`;
}

/** Stop each press of a button that signs, by mouse or key, until the open exam can be signed. */
export function guardSigning(room) {
  document.addEventListener('click', (event) => {
    if (!event.target.closest?.(SIGN)) return;
    const reason = refusal(room) || question(room);
    if (!reason) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    say(reason);
  }, true);
}
