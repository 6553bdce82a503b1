// The pixels of pictures, from the app's pixel routes: fetched once, and kept until they are not needed any more.

export const FULL = 'raw'; // the last parts of the addresses of a view's pictures
export const PREVIEW = 'preview';

/** The whole address of a route of the app. */
export const addressOf = (path) => new URL(path, document.baseURI).href;

export class PixelStore {
  constructor() { Object.assign(this, { here: new Map(), arriving: new Map() }); }

  has(address) { return this.here.has(address); }

  /** How many bytes are kept. */
  get size() { return [...this.here.values()].reduce((sum, pixels) => sum + pixels.byteLength, 0); }

  /** -> Uint16Array of `count` pixels, row by row. Throws where they do not arrive whole. */
  async fetch(address, count) {
    if (this.here.has(address)) return this.here.get(address);
    if (!this.arriving.has(address)) this.arriving.set(address, pixelsAt(address, count));
    const arriving = this.arriving.get(address);
    try {
      const pixels = await arriving;
      if (this.arriving.get(address) === arriving) this.here.set(address, pixels); // else it was forgotten meanwhile
      return pixels;
    } finally {
      if (this.arriving.get(address) === arriving) this.arriving.delete(address);
    }
  }

  forget(address) {
    this.here.delete(address);
    this.arriving.delete(address);
  }
}

async function pixelsAt(address, count) {
  const response = await fetch(addressOf(address), { credentials: 'same-origin' });
  if (!response.ok) throw new Error((await response.text()).slice(0, 200));
  const pixels = new Uint16Array(await response.arrayBuffer());
  if (pixels.length !== count) throw new Error('the picture arrived incomplete. Open the exam again');
  return pixels;
}
