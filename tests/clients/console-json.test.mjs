// How the console reads, compares and writes states: without loss, whatever they hold.

import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { build } from 'esbuild';
import { ROOT } from './harness.mjs';

let json;
let merge;

/** A module of the page, which Node would not take for one. */
async function pageModule(name) {
  const file = path.join(ROOT, 'static/console', name);
  const { outputFiles: [{ text }] } = await build({ entryPoints: [file], bundle: true, format: 'esm', write: false });
  return import(`data:text/javascript,${encodeURIComponent(text)}`);
}

before(async () => {
  json = await pageModule('json.js');
  merge = await pageModule('merge.js');
});

test('what is read and written again is the same, to the digit and in its order', () => {
  for (const text of [
    '{"b":1,"a":2,"10":3,"9":4,"__proto__":5}', '12345678901234567890', '-0', '1.0', '1e400', '0.10000000000000000001',
    '[]', '{}', '[[],{}]', '"\\u2028"', '""', 'null', 'true', 'false', '[1,"é",null,true,{"x":[{}]}]',
  ]) {
    const value = json.parse(text);
    assert.equal(json.write(json.parse(json.write(value, true))), json.write(value), text);
    assert.deepEqual(JSON.parse(json.write(value)), JSON.parse(text), text);
    if (!text.includes('\\u')) assert.equal(json.write(value), text);
  }
});

test('what is no JSON is refused, and the place is named', () => {
  for (const [text, place] of [
    ['', 'Line 1, column 1'], ['{', 'Line 1, column 2'], ['{"a":1,}', 'Line 1, column 8'], ['[1 2]', 'Line 1, column 4'], ['01', 'Line 1, column 2'],
    ['{"a":1\n"b":2}', 'Line 2, column 1'], ['{"a":1,"a":2}', 'Line 1, column 8'], ['"a\nb"', 'Line 1, column 1'], ['nul', 'Line 1, column 1'],
    ["{'a':1}", 'Line 1, column 2'], ['1 1', 'Line 1, column 3'], ['+1', 'Line 1, column 1'], ['"\\x"', 'Line 1, column 1'],
  ]) {
    assert.throws(() => json.parse(text), (error) => error instanceof json.JsonError && error.message.startsWith(place), text);
  }
  assert.throws(() => json.parse('['.repeat(100_000)), /nested deeper/);
});

test('it takes what JSON.parse takes, but for keys that are there twice', () => {
  const alphabet = ['{', '}', '[', ']', ',', ':', '"a"', '"b"', '1', '-', '.5', 'e3', 'true', 'null', ' ', '"'];
  let seed = 17;
  const random = (below) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % below;
  };
  let taken = 0;
  const outcome = (read) => {
    try {
      return { value: read() };
    } catch (error) {
      return { error };
    }
  };
  for (let round = 0; round < 200_000; round += 1) {
    const text = Array.from({ length: 1 + random(6) }, () => alphabet[random(alphabet.length)]).join('');
    const ours = outcome(() => json.parse(text));
    if (ours.error?.message.includes('twice')) continue;
    const theirs = outcome(() => JSON.parse(text));
    assert.equal(Boolean(ours.error), Boolean(theirs.error), text);
    if (!ours.error) taken += 1;
  }
  assert.ok(taken > 2000, `${taken} were JSON`);
});

test('changes make the one of the other, and on top of a third keep both', () => {
  const states = ['{}', '{"a":1}', '{"a":null}', '{"a":{"x":1,"y":2},"b":[1]}', '{"a":{"x":2},"b":[1,2]}', '{"a":{},"c":{"d":{}}}', '{"a":"1"}'].map(json.parse);
  for (const from of states) {
    for (const to of states) {
      const { state, clashes } = merge.apply(from, merge.changes(from, to));
      assert.deepEqual(JSON.parse(json.write(state)), JSON.parse(json.write(to)));
      assert.deepEqual(clashes, []);
    }
  }
  const [base, mine, theirs] = ['{"a":1,"b":1,"c":1,"d":1}', '{"a":2,"b":1,"c":3,"d":2}', '{"a":1,"b":5,"c":4,"d":2}'].map(json.parse);
  const { state, clashes } = merge.apply(theirs, merge.changes(base, mine));
  assert.equal(json.write(state), '{"a":2,"b":5,"c":3,"d":2}');
  assert.deepEqual(clashes.map(({ path: keys }) => keys), [['c']]);
});

test('a merge patch does what RFC 7396 says', () => {
  for (const [state, patch, expected] of [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'], ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'], ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'], ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'], ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'], ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'], ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ]) assert.equal(json.write(merge.mergePatch(json.parse(state), json.parse(patch))), expected);
});
