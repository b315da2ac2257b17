/** Events: what `EventTarget` does, with less to write. */
/** @template {Record<string, any>} Events What each event has as its `detail`. */
export class Emitter<Events extends Record<string, any>> extends EventTarget {
    constructor();
    /**
     * Listens; returns what ends that.
     * @template {keyof Events & string} Name
     * @param {Name} name
     * @param {(detail: Events[Name]) => void} listener Given the event's `detail`.
     * @returns {() => void}
     */
    on<Name extends keyof Events & string>(name: Name, listener: (detail: Events[Name]) => void): () => void;
    /** @internal @param {string} name @param {object} detail */
    _emit(name: string, detail: object): void;
    /** The next of these events. @internal @param {string[]} names */
    _next(...names: string[]): Promise<any>;
}
