// Load the built viewer and give it the component. Gradio finds the names of the events in this text. Where it cannot run, show plain pictures.
const root = element.querySelector('.reading-room');
import(new URL('viewer/viewer.js', document.baseURI).href)
  .then((module) => module.mount(root, props, watch, { marked: (sent) => trigger('marked', sent), placed: (sent) => trigger('placed', sent), edited: (sent) => trigger('edited', sent), chosen: (sent) => trigger('chosen', sent), others: (sent) => trigger('others', sent) }))
  .catch((error) => plain(root, String(error && error.message || error)));

function plain(root, reason) {
  const draw = () => {
    const ports = (props.value && props.value.ports) || [];
    document.body.classList.toggle('exam-open', ports.some((port) => port.address));
    document.body.classList.remove('opening');
    root.replaceChildren();
    root.classList.add('plain');
    document.body.classList.add('plain-pictures'); // nothing tells whether all of them were seen: so nothing is signed
    const exam = root.dataset.exam = (props.value && props.value.exam) || '';
    delete root.dataset.rendered;
    const pictures = [];
    if (!ports.length) { add(root, 'p', 'hint', 'No exam is open. Drop files here, or open a demo exam.'); root.dataset.rendered = ''; return; }
    add(root, 'p', 'trouble', 'The full viewer cannot run in this browser (' + reason + '). These are plain pictures without tools; no read can be signed here.');
    const grid = add(root, 'div', 'plain-grid');
    for (const port of ports) {
      const box = add(grid, 'figure', 'viewport chest-' + port.chest_wall);
      box.dataset.view = port.view;
      if (port.address) {
        const picture = add(box, 'img', 'picture');
        picture.src = new URL(port.address + 'picture.jpg', document.baseURI).href;
        picture.alt = port.name;
        pictures.push(picture.decode());
      }
      const caption = add(box, 'figcaption', 'corner');
      add(caption, 'strong', 'name', port.name);
      for (const line of port.lines || []) add(caption, 'span', 'line', line);
    }
    Promise.all(pictures).then(() => { if (root.dataset.exam === exam) root.dataset.rendered = exam; });
  };
  watch('value', draw);
  draw();
}

function add(parent, tag, name, text) {
  const node = document.createElement(tag);
  node.className = name;
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}
