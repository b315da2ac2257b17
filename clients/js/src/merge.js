/** JSON Merge Patch (RFC 7396), both ways. Nothing here changes what it is given. */

/** @typedef {Record<string, any>} Json */

/** @returns {value is Json} */
const isObject = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Its keys and values; none of what is no object. A `Map`, because of keys such as `__proto__`. */
const entries = (/** @type {unknown} */ value) => new Map(Object.entries(isObject(value) ? value : {}));

/**
 * What becomes of a value under a patch.
 * @param {unknown} target
 * @param {unknown} patch
 * @returns {unknown}
 */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = entries(target);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, merge(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

/**
 * The patch that makes one object of another, or `undefined` where none can: merge patches cannot set a null.
 * @param {unknown} from What is no object counts as an empty one, as it does for `merge`.
 * @param {Json} to
 * @returns {Json | undefined}
 */
export function diff(from, to) {
  const patch = new Map();
  const old = entries(from);
  for (const [key, is] of Object.entries(to)) {
    if (is === undefined) continue; // JSON has no such thing: it counts as not there.
    const was = old.get(key);
    old.delete(key);
    const said = isObject(is) ? diff(was, is) : is;
    if (isObject(was) && isObject(said) && Object.keys(said).length === 0) continue;
    if (!isObject(is) && JSON.stringify(was) === JSON.stringify(is)) continue;
    if (said === undefined || said === null) return undefined;
    patch.set(key, said);
  }
  for (const key of old.keys()) patch.set(key, null);
  return Object.fromEntries(patch);
}
