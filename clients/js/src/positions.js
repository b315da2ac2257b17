/** Positions: what the server is told of them, and a storage in which they outlive the process. */

import { WarrenError } from './errors.js';

/** More than these are not saved; the ones that were heard last are. */
const SAVED_MAX = 1000;
/** The server reads 16 KiB of IDENTIFY; positions may take this much of it. */
const NAMED_BYTES = 12_288;
/** The name of the direct messages here, which no channel can have. */
export const DIRECT = '';

/**
 * Anything with these two, such as `localStorage`; both may return promises.
 * @typedef {object} Storage
 * @property {(key: string) => string | null | undefined | Promise<string | null | undefined>} getItem
 * @property {(key: string, value: string) => unknown} setItem
 */

/** @typedef {Map<string, import('./line.js').Line<any>>} Lines All that is heard, by channel. */

export class Positions {
  /** Those that were saved and that nobody has asked for yet; none before it is known. @type {Map<string, string> | null} */
  #saved = null;
  /** @type {any} */
  #timer;
  #options;
  #lines;
  #onError;

  /**
   * @param {{storage?: Storage, storageKey: string, saveMs: number}} options
   * @param {() => Lines} lines
   * @param {(error: Error) => void} onError
   */
  constructor(options, lines, onError) {
    this.#options = options;
    this.#lines = lines;
    this.#onError = onError;
  }

  /** Reads what was saved, the first time; nothing where nothing readable was. */
  async load() {
    if (this.#saved) return;
    const { storage, storageKey } = this.#options;
    let saved;
    try {
      saved = JSON.parse((await storage?.getItem(storageKey)) || '{}');
    } catch (error) {
      this.#fail(error);
    }
    this.#saved = new Map(Object.entries(saved ?? {}).filter(([, position]) => typeof position === 'string'));
    for (const [id, line] of this.#lines()) this.recall(id, line);
  }

  /** A line goes on from where it was saved, unless it is known better. @param {string} id @param {import('./line.js').Line<any>} line */
  recall(id, line) {
    line.position ??= this.#saved?.get(id);
    this.#saved?.delete(id);
  }

  /** What IDENTIFY says: as many as it may, those that are heard first. */
  named() {
    const named = new Map();
    let bytes = 0;
    const heard = [...this.#lines()].map(([id, { position }]) => /** @type {const} */ ([id, position]));
    for (const [id, position] of [...heard, ...(this.#saved ?? [])]) {
      if (!position) continue;
      bytes += new Blob([JSON.stringify([id, position])]).size;
      if (bytes < NAMED_BYTES) named.set(id, position);
    }
    const { [DIRECT]: direct, ...positions } = Object.fromEntries(named);
    return { positions, direct };
  }

  /** Something was heard or read: saves soon. */
  touch() {
    if (this.#options.storage) this.#timer ??= setTimeout(() => this.save(), this.#options.saveMs);
  }

  /** Saves now. */
  async save() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { storage, storageKey } = this.#options;
    const known = new Map(this.#saved);
    for (const [id, { consumed }] of this.#lines()) if (consumed) known.set(id, consumed);
    try {
      // What was saved before is not lost because nobody has read it yet.
      if (this.#saved) await storage?.setItem(storageKey, JSON.stringify(Object.fromEntries([...known].slice(-SAVED_MAX))));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {unknown} cause */
  #fail(cause) {
    this.#onError(new WarrenError('storage', 'positions not kept', cause));
  }
}
