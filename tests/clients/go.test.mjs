// The official Go SDK and its Leap client; the tests themselves are in go/.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ADMIN_TOKEN, PROJECT, PROJECT_TOKEN, startServer } from './harness.mjs';

const SOURCE = fileURLToPath(new URL('go/', import.meta.url));
/** Where the installer of Go puts it, for shells that do not know. */
const USUAL = '/usr/local/go/bin/go';
/** The first run compiles the SDK and its dependencies. */
const LIMIT_MS = 300_000;

let folder;
let server;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'warren-go-'));
  await cp(SOURCE, folder, { recursive: true });
});
after(async () => {
  await server?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Runs Go in a copy of the tests, because it notes checksums there; resolves to `{code, text}`, code null without Go. */
function go(args, env = {}) {
  return new Promise((resolve) => {
    const binary = process.env.GO ?? (existsSync(USUAL) ? USUAL : 'go');
    const child = spawn(binary, args, { cwd: folder, env: { ...process.env, GOTOOLCHAIN: 'local', ...env }, timeout: LIMIT_MS });
    let text = '';
    child.stdout.on('data', (part) => { text += part; });
    child.stderr.on('data', (part) => { text += part; });
    child.on('error', (error) => resolve({ code: null, text: error.message }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal, text }));
  });
}

test('the Go SDK and its Leap client', async (t) => {
  const skip = (reason) => {
    assert.notEqual(process.env.WARREN_REQUIRE_GO, '1', reason);
    console.log(`SKIPPED: the Go client tests: ${reason}`);
    t.skip(reason);
  };
  const version = await go(['version']);
  if (version.code === null) return skip('there is no Go toolchain');
  // Not the tests' fault and nothing that they could show: a module that cannot be had here.
  const download = await go(['list', '-mod=mod', '-deps', '-test', './...']);
  const unreachable = download.text.split('\n').find((line) => /: reading https?:|dial tcp|no such host/.test(line));
  if (unreachable) return skip(`a module cannot be downloaded: ${unreachable.trim()}`);
  assert.equal(download.code, 0, download.text);
  server = await startServer();
  const env = { WARREN_URL: server.base, WARREN_PROJECT: PROJECT, WARREN_PROJECT_TOKEN: PROJECT_TOKEN, WARREN_ADMIN_TOKEN: ADMIN_TOKEN };
  const { code, text } = await go(['test', '-mod=mod', '-count=1', '-v', './...'], env);
  for (const [line] of text.matchAll(/^--- .*$/gm)) console.log(line);
  assert.equal(code, 0, `${text}\n${server.log()}`);
  assert.ok((text.match(/^--- PASS/gm) ?? []).length >= 9, text);
});
