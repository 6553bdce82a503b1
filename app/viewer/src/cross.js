// Cross-view help: for a spot in one view, the arc of equal nipple distance in the other view of that breast, and the
// mirrored spot in the same view of the other breast. Nipples are estimates (the point farthest from the chest wall).
const SVG = 'http://www.w3.org/2000/svg';

function addShape(parent, tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
}

/** source: the port under the pointer. spot: column, row of its file. */
export function showCross(room, source, spot) {
  hideCross(room);
  if (!source.nipple) return;
  const [x, y] = source.fileToWorld(spot);
  const [nippleX, nippleY] = source.fileToWorld(source.nipple);
  const distance = Math.hypot(x - nippleX, y - nippleY);
  const inward = source.chestWall === 'right' ? x - nippleX : nippleX - x; // millimetres from the nipple towards the chest wall
  for (const port of room.visiblePorts()) {
    if (port === source || port.role !== source.role || !port.nipple || Boolean(port.spacing) !== Boolean(source.spacing)) continue;
    const layer = document.createElementNS(SVG, 'svg');
    layer.setAttribute('class', 'cross');
    port.element.append(layer);
    const [portX, portY] = port.fileToWorld(port.nipple);
    const centre = port.viewport.worldToCanvas([portX, portY, 0]);
    if (port.view[0] === source.view[0]) {
      const edge = port.viewport.worldToCanvas([portX, portY + distance, 0]);
      addShape(layer, 'circle', { cx: centre[0], cy: centre[1], r: Math.abs(edge[1] - centre[1]) });
      addShape(layer, 'circle', { cx: centre[0], cy: centre[1], r: 3 });
    } else if (port.view.slice(2) === source.view.slice(2)) {
      const across = port.chestWall === 'right' ? inward : -inward;
      const [spotX, spotY] = port.viewport.worldToCanvas([portX + across, portY + (y - nippleY), 0]);
      addShape(layer, 'path', { d: `M${spotX - 9} ${spotY}H${spotX + 9}M${spotX} ${spotY - 9}V${spotY + 9}` });
    } else layer.remove();
  }
  source.readout.textContent += `, ${distance.toFixed(0)} ${source.spacing ? 'mm' : 'pixels'} from the nipple${source.nipple_placed ? '' : ' (estimated)'}`;
}

export function hideCross(room) { room.root.querySelectorAll('.cross').forEach((layer) => layer.remove()); }
