/** What has changed between two states, and putting that onto a third. */

import { isEqual } from './json.js';

/**
 * One change: the path of keys, what was there and what is there now; `undefined` where there is nothing.
 * @typedef {{path: string[], before: any, after: any}} Change
 */

/**
 * What makes `after` of `before`. Arrays count as a whole, as in JSON Merge Patch.
 * @param {any} before
 * @param {any} after
 * @param {string[]} [path]
 * @returns {Change[]}
 */
export function changes(before, after, path = []) {
  if (!(before instanceof Map && after instanceof Map)) {
    const isSame = before !== undefined && after !== undefined && isEqual(before, after);
    return isSame ? [] : [{ path, before, after }];
  }
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key) => changes(before.get(key), after.get(key), [...path, key]));
}

/** @param {any} state @param {string[]} path */
function at(state, path) {
  return path.reduce((value, key) => (value instanceof Map ? value.get(key) : undefined), state);
}

/**
 * Puts changes onto a state that may be another one than they were made from.
 * @param {any} state
 * @param {Change[]} wanted
 * @returns {{state: any, clashes: Change[]}} the new state, and the changes that overwrite a change of somebody else
 */
export function apply(state, wanted) {
  const clashes = wanted.filter(({ path, before, after }) => {
    const now = at(state, path);
    const isUntouched = now === undefined || before === undefined ? now === before : isEqual(now, before);
    const isAsWanted = now === undefined || after === undefined ? now === after : isEqual(now, after);
    return !isUntouched && !isAsWanted;
  });
  const next = wanted.reduce((made, { path, after }) => put(made, path, after), state);
  return { state: next, clashes };
}

/** @param {any} state @param {string[]} path @param {any} value @returns {any} */
function put(state, [key, ...rest], value) {
  if (key === undefined) return value;
  const copy = new Map(state instanceof Map ? state : []);
  const next = put(copy.get(key), rest, value);
  if (next === undefined) copy.delete(key);
  else copy.set(key, next);
  return copy;
}

/** JSON Merge Patch (RFC 7396). @param {any} state @param {any} patch @returns {any} */
export function mergePatch(state, patch) {
  if (!(patch instanceof Map)) return patch;
  const next = new Map(state instanceof Map ? state : []);
  for (const [key, value] of patch) {
    if (value === null) next.delete(key);
    else next.set(key, mergePatch(next.get(key), value));
  }
  return next;
}

/** What Hop's patchState means: the top-level keys that are named are set, null included. @param {Map<string, any>} state @param {Map<string, any>} patch */
export const shallowPatch = (state, patch) => new Map([...state, ...patch]);
