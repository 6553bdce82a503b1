// Cross-view help: a spot in one view, the arc of equal nipple distance in the other view of that breast, and the
// mirrored spot in the other breast. Nipples are estimates (the breast's point farthest from the chest wall).
const SVG = 'http://www.w3.org/2000/svg';

function shape(parent, kind, attributes) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
}

/** from: the port that was pointed at; spot: column, row of its file. */
export function showCross(room, from, spot) {
  hideCross(room);
  if (!from.nipple) return;
  const [x, y] = from.world(spot);
  const [nx, ny] = from.world(from.nipple);
  const distance = Math.hypot(x - nx, y - ny);
  const inward = from.chestWall === 'right' ? x - nx : nx - x; // millimetres from the nipple towards the chest wall
  for (const port of room.seen()) {
    if (port === from || port.role !== from.role || !port.nipple || Boolean(port.spacing) !== Boolean(from.spacing)) continue;
    const layer = document.createElementNS(SVG, 'svg');
    layer.setAttribute('class', 'cross');
    port.element.append(layer);
    const [cx, cy] = port.world(port.nipple);
    const centre = port.viewport.worldToCanvas([cx, cy, 0]);
    if (port.view[0] === from.view[0]) {
      const edge = port.viewport.worldToCanvas([cx, cy + distance, 0]);
      shape(layer, 'circle', { cx: centre[0], cy: centre[1], r: Math.abs(edge[1] - centre[1]) });
      shape(layer, 'circle', { cx: centre[0], cy: centre[1], r: 3 });
    } else if (port.view.slice(2) === from.view.slice(2)) {
      const towards = port.chestWall === 'right' ? inward : -inward;
      const [mx, my] = port.viewport.worldToCanvas([cx + towards, cy + (y - ny), 0]);
      shape(layer, 'path', { d: `M${mx - 9} ${my}H${mx + 9}M${mx} ${my - 9}V${my + 9}` });
    } else layer.remove();
  }
  from.reads.textContent += `, ${distance.toFixed(0)} ${from.spacing ? 'mm' : 'pixels'} from the nipple (estimated)`;
}

export function hideCross(room) { room.root.querySelectorAll('.cross').forEach((layer) => layer.remove()); }
