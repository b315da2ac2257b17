// Every link of every Markdown file leads somewhere: to a file that is tracked, and to a heading that is in it. Links to other
// sites are looked at for their form alone; nothing is asked of them.

import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { files, parse, read, ROOT } from './markdown.mjs';

/** What is wrong with a link. @param {string} file @param {string} target @param {(file: string) => Set<string>} anchorsOf */
function fault(file, target, anchorsOf) {
  if (/^[a-z]+:/.test(target)) {
    const url = URL.canParse(target) ? new URL(target) : null;
    if (!url) return 'no address';
    if (!['http:', 'https:', 'mailto:'].includes(url.protocol)) return `no link for a reader: ${url.protocol}`;
    return url.protocol === 'https:' || /^(127\.0\.0\.1|localhost)$/.test(url.hostname) || url.protocol === 'mailto:' ? null : 'not https';
  }
  const [place, fragment] = target.split('#');
  const to = place === '' ? file : path.join(path.dirname(file), decodeURIComponent(place));
  if (to.startsWith('..')) return 'outside of the repository';
  const whole = path.join(ROOT, to);
  if (!existsSync(whole)) return `no file ${to}`;
  if (fragment === undefined) return null;
  if (statSync(whole).isDirectory() || !to.endsWith('.md')) return `${to} has no anchors`;
  return anchorsOf(to).has(fragment) ? null : `${to} has no heading #${fragment}`;
}

test('every link leads to a file that is there and a heading that is in it', () => {
  const known = new Map();
  const anchorsOf = (file) => known.get(file) ?? known.set(file, read(file).anchors).get(file);
  const faults = [];
  let count = 0;
  for (const file of files()) {
    for (const { target, line } of read(file).links) {
      count += 1;
      const wrong = fault(file, target, anchorsOf);
      if (wrong) faults.push(`${file}:${line}: ${target}: ${wrong}`);
    }
  }
  console.log(`${count} links in ${files().length} files`);
  assert.deepEqual(faults, []);
  assert.ok(count > 300, `only ${count} links were found`);
});

test('a wrong link is caught', () => {
  const { links, anchors } = parse('# One\n## Two `b_c`\n## Two `b_c`\n[a](#two-b_c-1) `[x](nowhere)`\n```sh\n[y](nowhere)\n```\n[b](nowhere.md) <a id="own"></a>');
  assert.deepEqual(links, [{ target: '#two-b_c-1', line: 4 }, { target: 'nowhere.md', line: 8 }]);
  assert.deepEqual([...anchors].sort(), ['one', 'own', 'two-b_c', 'two-b_c-1']);
  const check = (target) => fault('docs/README.md', target, () => anchors);
  for (const fine of ['#own', 'glossary.md#one', '../README.md', '../src', 'https://example.com/x', 'http://127.0.0.1:8080/console']) assert.equal(check(fine), null, fine);
  for (const wrong of ['#nowhere', 'glossary.md#nowhere', 'nowhere.md', '../../README.md', '../src#one', 'http://example.com', 'ftp://example.com', 'https://']) assert.ok(check(wrong), wrong);
});

test('every chapter that is a file below docs is listed in the book', () => {
  const listed = new Set(read('docs/README.md').links.map(({ target }) => path.join('docs', target.split('#')[0])));
  const missing = files().filter((file) => file.startsWith('docs/') && file !== 'docs/README.md' && !listed.has(file));
  assert.deepEqual(missing, []);
});
