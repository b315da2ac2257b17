/** Events: what `EventTarget` does, with less to write. */

/** @template {Record<string, any>} Events What each event has as its `detail`. */
export class Emitter extends EventTarget {
  /**
   * Listens; returns what ends that.
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => void} listener Given the event's `detail`.
   * @returns {() => void}
   */
  on(name, listener) {
    const listen = (/** @type {any} */ { detail }) => listener(detail);
    this.addEventListener(name, listen);
    return () => this.removeEventListener(name, listen);
  }

  /** @internal @param {string} name @param {object} detail */
  _emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** The next of these events. @internal @param {string[]} names */
  _next(...names) {
    return new Promise((resolve) => {
      const heard = new AbortController();
      heard.signal.onabort = resolve;
      for (const name of names) this.addEventListener(name, () => heard.abort(), heard);
    });
  }
}
