// Layouts and the reading protocol. A port's view is "R_CC", "L_CC", "R_MLO" or "L_MLO".
export const LAYOUTS = {
  four: { says: 'Four', shows: () => true },
  cc: { says: 'CC', shows: (port) => port.view.endsWith('_CC') },
  mlo: { says: 'MLO', shows: (port) => port.view.endsWith('_MLO') },
  right: { says: 'Right', shows: (port) => port.view.startsWith('R_') },
  left: { says: 'Left', shows: (port) => port.view.startsWith('L_') },
  single: { says: 'Single', shows: () => false },
};

export const PROTOCOL = [
  { layout: 'four' }, { layout: 'cc' }, { layout: 'mlo' }, { layout: 'right' }, { layout: 'left' },
  { layout: 'single', view: 'R_CC' }, { layout: 'single', view: 'L_CC' }, { layout: 'single', view: 'R_MLO' }, { layout: 'single', view: 'L_MLO' },
];
