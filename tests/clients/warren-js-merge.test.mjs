// JSON Merge Patch in Warren's own client, both ways: RFC 7396's own examples, and random values.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { installed } from './warren-client.mjs';

const { diff, merge } = await import(path.join(installed.home, 'src/merge.js'));
const CASES = 20_000;

/** Appendix A: original, patch, result. */
const EXAMPLES = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [['a', 'b'], ['c', 'd'], ['c', 'd']],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test("RFC 7396's examples come out as they stand there", () => {
  for (const [original, patch, result] of EXAMPLES) assert.deepEqual(merge(original, patch), result);
});

/** Numbers from 0 to below a bound, the same ones each time (an LCG, of whose state the upper bits are used). */
function random() {
  let state = 1;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function frozen(value) {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/** A random value; with nulls, or without any outside of arrays. */
function value(upTo, hasNulls, depth = 0) {
  const kind = upTo(depth > 3 ? 4 : 6);
  if (kind === 0) return hasNulls ? null : 'x';
  if (kind === 1) return upTo(3);
  if (kind === 2) return ['', 'a', 'é'][upTo(3)];
  if (kind === 3) return upTo(2) === 0;
  if (kind === 4) return Array.from({ length: upTo(3) }, () => value(upTo, true, depth + 1));
  return object(upTo, hasNulls, depth + 1);
}

function object(upTo, hasNulls, depth = 0) {
  const keys = ['a', 'b', 'c', '', '__proto__', 'constructor'].filter(() => upTo(2) === 0);
  return Object.fromEntries(keys.map((key) => [key, value(upTo, hasNulls, depth)]));
}

test('what one object is told to become by a patch is the other, whatever they are', () => {
  const upTo = random();
  for (let n = 0; n < CASES; n += 1) {
    const from = frozen(object(upTo, true));
    const to = frozen(object(upTo, false));
    const patch = diff(from, to);
    assert.notEqual(patch, undefined);
    assert.deepEqual(merge(from, frozen(patch)), to, JSON.stringify([from, to, patch]));
    assert.deepEqual(diff(to, to), {});
  }
});

test('a null that would have to be set is no patch; one that stays does no harm', () => {
  const upTo = random();
  let refused = 0;
  for (let n = 0; n < CASES; n += 1) {
    const from = frozen(object(upTo, true));
    const to = frozen(object(upTo, true));
    const patch = diff(from, to);
    if (patch === undefined) refused += 1;
    else assert.deepEqual(merge(from, patch), to);
  }
  assert.ok(refused > 100 && refused < CASES, `${refused} refused`);
  assert.deepEqual(diff({ a: null, b: 1 }, { a: null, b: 2 }), { b: 2 });
  assert.equal(diff({}, { a: { b: null } }), undefined);
  assert.deepEqual(diff({ a: 1 }, { a: undefined }), { a: null });
});
