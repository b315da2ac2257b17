/**
 * @param {import('./errors.js').CloseError} error Why the connection ended.
 * @param {number} failures How many attempts failed in a row before.
 * @param {number} minMs
 * @param {number} maxMs
 * @returns {number} Milliseconds.
 */
export function pause({ closeCode, reason }: import("./errors.js").CloseError, failures: number, minMs: number, maxMs: number): number;
