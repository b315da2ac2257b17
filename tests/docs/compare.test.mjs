// The table of forty: every cell about Warren names a test or page that is there, or says that it is a gap; every other server is
// named with the page that says so.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from './markdown.mjs';
import { prove } from './proofs.mjs';

const TEXT = readFileSync(path.join(ROOT, 'docs/compare.md'), 'utf8');
const OTHERS = ['Centrifugo', 'Centrifugo PRO', 'Pusher', 'Pusher Beams', 'Sockudo', 'Supabase', 'Ably', 'Mercure', 'PocketBase'];

/** Why a row is none; null if it is one. @param {string} row */
function fault(row) {
  const cells = row.split(' | ').map((cell) => cell.replace(/^\||\|$/g, '').trim());
  if (cells.length !== 4) return 'not four cells';
  const [, what, known, warren] = cells;
  if (what.length < 4) return 'nothing is taken for granted';
  const links = [...known.matchAll(/\[([^\]]+)\]\((https:\/\/[^)]+)\)/g)];
  if (links.length === 0 || known.replace(/\[[^\]]+\]\(https:\/\/[^)]+\)/g, '').replace(/[, ]/g, '') !== '') return 'known from nowhere';
  if (links.some(([, name]) => !OTHERS.includes(name))) return `nobody of this name: ${links.map(([, name]) => name)}`;
  const [, status, text] = /^\*\*(yes|partly|gap)\*\*: (.+)$/.exec(warren) ?? [];
  if (!status) return 'neither yes nor partly nor gap';
  const proofs = [...text.matchAll(/`([^`]+(?:\.rs::|\.mjs: |\.sh)[^`]*)`/g)].map(([, name]) => name);
  if (status === 'gap') return proofs.length === 0 ? null : 'a gap with a proof';
  if (proofs.length === 0) return 'no test';
  for (const name of proofs) {
    try {
      prove(name);
    } catch (error) {
      return error.message;
    }
  }
  return null;
}

const rows = TEXT.split('\n').filter((line) => /^\| \d+ \|/.test(line));

test('forty rows, each with where it is known from and a proof, or a gap that is called one', () => {
  assert.deepEqual(rows.map((row) => Number(/\d+/.exec(row)[0])), Array.from({ length: 40 }, (_, n) => n + 1));
  const faults = rows.map((row) => [fault(row), row]).filter(([why]) => why);
  assert.deepEqual(faults, []);
});

test('the counts above the table are those of the table', () => {
  const count = (status) => rows.filter((row) => row.includes(`| **${status}**: `)).length;
  const [yes, partly, gap] = ['yes', 'partly', 'gap'].map(count);
  assert.ok(TEXT.includes(`Of the forty, ${yes} are here, ${partly} in part, and ${gap} are not.`), `${yes}, ${partly}, ${gap}`);
});

test('a wrong row is caught', () => {
  const row = (known, warren) => `| 1 | Something | ${known} | ${warren} |`;
  const known = '[Ably](https://ably.com/docs)';
  assert.equal(fault(row(known, '**gap**: no')), null);
  assert.equal(fault(row(known, '**yes**: `tests/docs/compare.test.mjs: "a wrong row is caught"`')), null);
  for (const [from, warren] of [
    [known, '**yes**: surely'],
    [known, '**yes**: `tests/it/slow.rs::nowhere`'],
    [known, '**yes**: `tests/docs/compare.test.mjs: "no such test"`'],
    [known, 'works'],
    ['everybody', '**gap**: no'],
    ['[Somebody](https://example.com)', '**gap**: no'],
    [known, '**gap**: `tests/docs/compare.test.mjs: "a wrong row is caught"`'],
  ]) assert.ok(fault(row(from, warren)), `${from} ${warren}`);
});
