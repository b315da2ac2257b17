/**
 * What becomes of a value under a patch.
 * @param {unknown} target
 * @param {unknown} patch
 * @returns {unknown}
 */
export function merge(target: unknown, patch: unknown): unknown;
/**
 * The patch that makes one object of another, or `undefined` where none can: merge patches cannot set a null.
 * @param {unknown} from What is no object counts as an empty one, as it does for `merge`.
 * @param {Json} to
 * @returns {Json | undefined}
 */
export function diff(from: unknown, to: Json): Json | undefined;
export type Json = Record<string, any>;
