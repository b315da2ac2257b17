/** The name of the direct messages here, which no channel can have. */
export const DIRECT: "";
/**
 * Anything with these two, such as `localStorage`; both may return promises.
 * @typedef {object} Storage
 * @property {(key: string) => string | null | undefined | Promise<string | null | undefined>} getItem
 * @property {(key: string, value: string) => unknown} setItem
 */
/** @typedef {Map<string, import('./line.js').Line<any>>} Lines All that is heard, by channel. */
export class Positions {
    /**
     * @param {{storage?: Storage, storageKey: string, saveMs: number}} options
     * @param {() => Lines} lines
     * @param {(error: Error) => void} onError
     */
    constructor(options: {
        storage?: Storage;
        storageKey: string;
        saveMs: number;
    }, lines: () => Lines, onError: (error: Error) => void);
    /** Reads what was saved, the first time; nothing where nothing readable was. */
    load(): Promise<void>;
    /** A line goes on from where it was saved, unless it is known better. @param {string} id @param {import('./line.js').Line<any>} line */
    recall(id: string, line: import("./line.js").Line<any>): void;
    /** What IDENTIFY says: as many as it may, those that are heard first. */
    named(): {
        positions: any;
        direct: any;
    };
    /** Something was heard or read: saves soon. */
    touch(): void;
    /** Saves now. */
    save(): Promise<void>;
    #private;
}
/**
 * Anything with these two, such as `localStorage`; both may return promises.
 */
export type Storage = {
    getItem: (key: string) => string | null | undefined | Promise<string | null | undefined>;
    setItem: (key: string, value: string) => unknown;
};
/**
 * All that is heard, by channel.
 */
export type Lines = Map<string, import("./line.js").Line<any>>;
