// Draws props.value (viewports) and props.maps (layers) into the static template. Text is set as text only.
const grid = element.querySelector('.four-up');
const extras = element.querySelector('.extra-views');

function make(tag, name, content) {
  const node = document.createElement(tag);
  node.className = name;
  if (content !== undefined) node.textContent = content;
  return node;
}

function viewport(port) {
  const box = make('figure', 'viewport chest-' + (port.chest_wall === 'right' ? 'right' : 'left'));
  box.dataset.view = port.view;
  box.tabIndex = 0;
  if (port.picture) {
    const stack = make('div', 'stack');
    const picture = make('img', 'picture');
    picture.src = port.picture;
    picture.alt = port.name;
    picture.draggable = false;
    stack.append(picture, make('img', 'map'));
    stack.querySelector('.map').alt = '';
    stack.querySelector('.map').hidden = true;
    box.append(stack);
    const enlarge = () => box.parentElement.classList.toggle('single', box.classList.toggle('alone'));
    box.addEventListener('dblclick', enlarge);
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') { event.preventDefault(); enlarge(); }
    });
    box.title = 'Double-click or Enter: this view alone';
  } else {
    box.classList.add('empty');
  }
  const caption = make('figcaption', 'corner');
  caption.append(make('strong', 'name', port.name));
  for (const line of port.lines || []) caption.append(make('span', 'line', line));
  box.append(caption);
  return box;
}

function draw() {
  const ports = Array.isArray(props.value) ? props.value : [];
  const extra = ports.filter((port) => port.extra);
  grid.classList.remove('single');
  grid.replaceChildren(...ports.filter((port) => !port.extra).map(viewport));
  extras.replaceChildren(...extra.map(viewport));
  grid.classList.toggle('nothing', ports.length === 0);
  if (ports.length === 0) grid.append(make('p', 'hint', 'No exam is open. Drop files above, or open a demo exam.'));
  lay();
}

function lay() {
  const maps = props.maps || {};
  for (const box of grid.querySelectorAll('.viewport')) {
    const layer = box.querySelector('.map');
    if (!layer) continue;
    const source = maps[box.dataset.view];
    layer.hidden = !source;
    if (source) layer.src = source; else layer.removeAttribute('src');
  }
}

watch('value', draw);
watch('maps', lay);
draw();
