// No double press signs two exams: signing counts only after every standard view was drawn and a reader could look at it.
import { say } from './dom.js';

const LOOK_MS = 2000; // after the last view was drawn
const PRESS_MS = 1000; // a second press within this time is a double press
const SIGN = '#sign, #sign-next';

/** Why the open exam cannot be signed yet; "" if it can. */
function refusal(room) {
  const standard = room.ports.filter((port) => (port.role === 'current' || port.role === 'asked') && port.address);
  const missing = standard.filter((port) => !room.painted.has(port));
  if (missing.length) return `Not signed: ${missing.map((port) => port.name).join(', ')} was not on screen in full quality yet.`;
  if (!room.drawnAt) return 'Not signed: the views are not drawn yet.';
  if (performance.now() - room.drawnAt < LOOK_MS) return 'Not signed: the views were drawn less than 2 seconds ago. Press again.';
  return '';
}

const EDITED = 'The report that you edited is not stored. Copy it with P first; or press again to leave it.';
const edited = () => Boolean(document.querySelector('#page-report.report-edited:not(.report-copied)'));

/**
 * Ask once before something is left behind: views beyond the four that were not on screen, an edited report that was not
 * copied. "" if there is nothing, or if the reader was asked a while ago.
 */
function question(room) {
  const unseen = !room.shown().extra;
  if ((!unseen && !edited()) || wasAsked(room, 'askedAt')) return '';
  if (!unseen) return `Not signed: ${EDITED}`;
  const names = room.extras().map((port) => [port.name, ...port.modifiers].join(' ')).join(', ');
  return `Not signed: ${names} ${room.extras().length > 1 ? 'were' : 'was'} not shown yet. Shift+X shows what is left; or sign again to sign without.`;
}

/** Whether the reader was asked a while ago; takes note that he is asked now. name: the property that holds when. */
function wasAsked(room, name) {
  if (room[name] && performance.now() - room[name] > PRESS_MS) return true;
  room[name] ||= performance.now();
  return false;
}

const UNKEPT = 'The marks of this exam are not kept. Start a read to keep them; or press again to leave them.';

/** Why another exam is not opened yet: an edited report, or marks without a read, would be left behind. "" if it may be. */
export function leavingRefused(room) {
  const unkept = !document.body.classList.contains('read-kept') && room.marks.all().length;
  if ((!edited() && !unkept) || wasAsked(room, 'askedToLeave')) return '';
  return edited() ? EDITED : UNKEPT;
}

/** Stop each press of a button that signs, by mouse or key, until the open exam can be signed. */
export function guardSigning(room) {
  document.addEventListener('keydown', (event) => {
    if (event.repeat && event.key === 'Enter' && event.target.closest?.('button, a, summary, [role=tab]')) event.preventDefault(); // held down, it would press again and again
  }, true);
  document.addEventListener('click', (event) => {
    if (!event.target.closest?.(SIGN)) return;
    const reason = refusal(room) || question(room);
    if (!reason) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    say(reason);
  }, true);
}
