// Layouts and the reading protocol. A port's view is "R_CC", "L_CC", "R_MLO" or "L_MLO".
export const LAYOUTS = {
  four: { label: 'Four', includes: () => true },
  cc: { label: 'CC', includes: (port) => port.view.endsWith('_CC') },
  mlo: { label: 'MLO', includes: (port) => port.view.endsWith('_MLO') },
  right: { label: 'Right', includes: (port) => port.view.startsWith('R_') },
  left: { label: 'Left', includes: (port) => port.view.startsWith('L_') },
  single: { label: 'Single', includes: () => false }, // `arrange` chooses the view
};

export const PROTOCOL = [
  { layout: 'four' }, { layout: 'cc' }, { layout: 'mlo' }, { layout: 'right' }, { layout: 'left' },
  { layout: 'single', view: 'R_CC' }, { layout: 'single', view: 'L_CC' }, { layout: 'single', view: 'R_MLO' }, { layout: 'single', view: 'L_MLO' },
];
