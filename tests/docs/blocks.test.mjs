// Every block of code of every page is run, or says why not. What is not run is listed at the end.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { files, parse, read } from './markdown.mjs';
import { markOf, matches } from './marks.mjs';
import { walk } from './page.mjs';

/** @type {import('./page.mjs').Left[]} */
const left = [];
let ran = 0;

/** Pages that need more than a server and Node: said by `WARREN_DOCS_WITHOUT_…=1` where it is not there. */
const NEEDS = [['docs/tutorials/python.md', 'PYTHON'], ['docs/tutorials/rust.md', 'CARGO'], ['docs/tutorials/embed.md', 'CARGO']];
const only = process.env.WARREN_DOCS_PAGE;
const pages = files().filter((file) => read(file).blocks.length > 0 && (!only || file.includes(only)));

test('every block says how it is run', () => {
  const faults = [];
  for (const file of pages) {
    for (const block of read(file).blocks) {
      try {
        markOf(block);
      } catch (error) {
        faults.push(`${file}:${block.line}: \`\`\`${block.info}: ${error.message}`);
      }
    }
  }
  assert.deepEqual(faults, []);
});

for (const page of pages) {
  const [, tool] = NEEDS.find(([file, name]) => file === page && process.env[`WARREN_DOCS_WITHOUT_${name}`] === '1') ?? [];
  test(page, { timeout: 600_000, skip: tool && `SKIPPED: it needs what WARREN_DOCS_WITHOUT_${tool}=1 says is not there` }, async () => {
    const outcome = await walk(page);
    ran += outcome.ran;
    left.push(...outcome.left);
  });
}

after(() => {
  console.log(`${ran} blocks of ${pages.length} pages were run; ${left.length} were not:`);
  for (const { file, line, info, reason } of left) console.log(`  ${file}:${line} ${info}: ${reason}`);
});

test('a block without a mark, with a wrong one or without a reason is refused', () => {
  const mark = (info) => markOf(parse(`\`\`\`${info}\nx\n\`\`\`\n`).blocks[0]);
  for (const info of ['sh', 'js', 'text', '', 'sh ran', 'sh run background', 'js run', 'sh output', 'sh skip', 'sh skip="because"', 'js file=', 'sh run exit=x']) {
    assert.throws(() => mark(info), undefined, info);
  }
  assert.deepEqual(mark('sh run terminal=two exit=4'), { kind: 'run', value: undefined, terminal: 'two', exit: 4 });
  assert.deepEqual(mark('text output'), { kind: 'output', value: undefined, terminal: 'main', exit: 0 });
  assert.equal(mark('sh skip="it would take an hour here"').value, 'it would take an hour here');
  assert.equal(mark('json').kind, 'json');
});

test('what a page shows is compared line by line', () => {
  for (const [shown, real, is] of [
    ['a\nb\n', 'a\nb\n', true],
    ['id: …\n', 'id: leap_token_x\n', true],
    ['…\nready: x\n', 'one\ntwo\nready: x\n', true],
    ['a\n…\n', 'a\nb\nc\n', true],
    ['a.c\n', 'abc\n', false],
    ['a\n', 'a\nb\n', false],
    ['a\nb\n', 'a\n', false],
    ['id: …\n', 'id: x\nmore\n', false],
  ]) assert.equal(matches(shown, real), is, JSON.stringify([shown, real]));
});
