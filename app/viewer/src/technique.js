// The technique factors of the views on screen: whose pictures, when, which views, and how they were exposed.
import { make, makeButton, openDialog } from './dom.js';
import { addressOf } from './pixels.js';

const EMPTY = /^not /; // "not in the file", "not kept: …"

/** Show every factor of the views on screen, one column a view; what a file does not give is said. */
export async function showTechnique(room) {
  room.root.querySelector('.sheet')?.remove();
  const { exam } = room;
  const sheet = openDialog(room.root, 'Technique factors');
  sheet.classList.add('wide');
  sheet.append(make('h2', '', 'Technique factors'));
  const ports = room.visiblePorts();
  try {
    const columns = await Promise.all(ports.map(factorsOf));
    if (room.exam === exam) sheet.append(tableOf(ports, columns)); // not of the exam before
  } catch (error) {
    sheet.append(make('p', 'trouble', `The factors did not arrive: ${String(error && error.message || error).slice(0, 120)}`));
  }
  const close = makeButton('Close', () => sheet.remove());
  sheet.append(close);
  close.focus();
}

/** -> [{name, value}] of a port, every factor, with or without a value. */
export async function factorsOf(port) {
  const response = await fetch(addressOf(port.address + 'technique'), { credentials: 'same-origin', cache: 'no-store' });
  if (!response.ok) throw new Error((await response.text()).slice(0, 200));
  return response.json();
}

/** The factors as rows. What all views have in common stands once. */
export function tableOf(ports, columns) {
  const table = make('table', 'factors');
  const head = make('tr', '');
  head.append(make('th', ''), ...ports.map((port) => make('th', '', port.name)));
  table.append(head);
  columns[0].forEach(({ name }, index) => {
    const row = make('tr', '');
    const values = columns.map((factors) => factors[index].value);
    const common = values.every((value) => value === values[0]) && values.length > 1;
    row.append(make('th', '', name));
    for (const value of common ? values.slice(0, 1) : values) {
      const cell = make('td', EMPTY.test(value) ? 'empty' : '', value);
      if (common) cell.colSpan = values.length;
      row.append(cell);
    }
    table.append(row);
  });
  return table;
}
