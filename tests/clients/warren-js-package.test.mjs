// The package of clients/js itself: what is in it, what it weighs, and that what is made of its source is up to date.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { CLIENT, made } from './client-build.mjs';
import { installed } from './warren-client.mjs';

const CORE_GZIP_BYTES = 6000;

const read = (file) => readFileSync(path.join(CLIENT, file), 'utf8');
const { dependencies, exports } = JSON.parse(read('package.json'));

test('the types pass, and what is made of the source is what would be made now', async () => {
  const files = await made();
  for (const [name, text] of files) assert.equal(read(name), text, `${name}: run npm run build --prefix tests/clients`);
  const there = (await readdir(path.join(CLIENT, 'types'), { recursive: true })).filter((name) => name.endsWith('.d.ts'));
  assert.deepEqual(there.map((name) => `types/${name}`).sort(), [...files.keys()].filter((name) => name.startsWith('types/')).sort());
});

test('whoever installs it has types that are right, and wrong uses are found', async () => {
  const modules = fileURLToPath(new URL('node_modules', import.meta.url));
  const folder = path.dirname(path.dirname(installed.home));
  const source = path.join(folder, 'warren-types.ts');
  await copyFile(fileURLToPath(new URL('warren-types.ts', import.meta.url)), source);
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', 'react'];
  const compiler = path.join(modules, 'typescript/bin/tsc');
  const checked = promisify(execFile)(process.execPath, [compiler, ...flags, '--typeRoots', path.join(modules, '@types'), source]);
  await checked.catch(({ stdout }) => assert.fail(stdout));
});

test('the core, in one file and minified, is at most 6 kB as gzip', () => {
  const bytes = gzipSync(read('dist/warren.js'), { level: 9 }).length;
  console.log(`the core is ${bytes} bytes, minified and as gzip`);
  assert.ok(bytes <= CORE_GZIP_BYTES, `${bytes} bytes`);
});

test('what is packed is what the exports name, and nothing that only makes it', () => {
  assert.equal(dependencies, undefined);
  for (const named of Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)))) {
    assert.ok(existsSync(path.join(installed.home, named)), named);
  }
  const folders = new Set(installed.files.map((file) => file.split('/')[0]));
  assert.deepEqual([...folders].sort(), ['LICENSE', 'README.md', 'dist', 'jwt', 'package.json', 'react', 'src', 'types']);
});

test('the one-file build has all that the modules export', async () => {
  const whole = await import(path.join(CLIENT, 'dist/warren.js'));
  const { react, jwt, ...modules } = installed.exports;
  assert.deepEqual(Object.keys(whole).sort(), Object.keys(modules).sort());
  const { CloseError } = whole;
  assert.deepEqual([new CloseError(4009, '').name, new CloseError(4009, '').code], ['CloseError', 'slow_consumer']);
});
