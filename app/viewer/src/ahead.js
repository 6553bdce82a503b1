// The pictures of the next exam, fetched while the reader looks at the open one.
import { FULL } from './pixels.js';

export class Ahead {
  /** root: its data-ahead says how many pictures of the next exam are here. */
  constructor(root, pixels) { Object.assign(this, { root, pixels, addresses: [] }); }

  /**
   * Fetch these pictures, one after the other: [{address, rows, columns}]. Those that were fetched before are dropped, but for
   * those of the views on screen: the answer may come late.
   */
  async fetch(pictures, ports) {
    const addresses = pictures.map(({ address }) => address + FULL);
    this.replaceBy(addresses, [...addresses, ...ports.map((port) => port.address + FULL)]);
    for (const [index, { rows, columns }] of pictures.entries()) {
      await this.pixels.fetch(addresses[index], rows * columns).catch(() => undefined); // its view fetches it again, and says what is wrong
      if (this.addresses !== addresses) return; // another exam is open, or another one is next
      this.root.dataset.ahead = index + 1;
    }
  }

  /** An exam is opened: its pictures are its views' from now on, those of another are dropped. */
  opened(ports) { this.replaceBy([], ports.map((port) => port.address + FULL)); }

  replaceBy(addresses, kept) {
    this.addresses.filter((address) => !kept.includes(address)).forEach((address) => this.pixels.forget(address));
    this.addresses = addresses;
    delete this.root.dataset.ahead;
  }
}
