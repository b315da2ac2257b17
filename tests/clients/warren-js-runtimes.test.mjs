// Warren's own client in other runtimes than the one that runs the tests, with the WebSocket that they bring. Each is
// skipped, and says so, where it is not installed; WARREN_NODE22, WARREN_DENO and WARREN_BUN name one.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from './harness.mjs';
import { installed } from './warren-client.mjs';

const run = promisify(execFile);
const SMOKE = fileURLToPath(new URL('runtime-smoke.mjs', import.meta.url));
const ENTRY = pathToFileURL(path.join(installed.home, 'src/index.js')).href;
const TIMEOUT_MS = 60_000;

let server;
before(async () => {
  server = await startServer();
  await server.channel('desk', 'unprotected', { capabilities: ['CLIENT_PUBLISH', 'CLIENT_STATE'] });
});
after(() => server?.remove());

/** The version that a command says, or nothing where there is none. */
const version = (command) => run(command, ['--version'], { timeout: TIMEOUT_MS }).then(({ stdout }) => stdout.trim(), () => null);

for (const [name, command, flags, isFit] of [
  ['Node 22 or newer', process.env.WARREN_NODE22 ?? 'node', [], (said) => Number(/^v(\d+)/.exec(said)?.[1]) >= 22],
  ['Deno', process.env.WARREN_DENO ?? 'deno', ['run', '--allow-all', '--no-config'], Boolean],
  ['Bun', process.env.WARREN_BUN ?? 'bun', [], Boolean],
]) {
  test(`it runs in ${name}, with the WebSocket that is there`, async (t) => {
    const said = await version(command);
    if (!isFit(said)) {
      console.log(`SKIPPED: ${name} is not installed: the client was not tried there`);
      return t.skip(`no ${name}`);
    }
    const { stdout } = await run(command, [...flags, SMOKE, ENTRY, server.base, server.project], { timeout: TIMEOUT_MS });
    assert.deepEqual(JSON.parse(stdout), { event: 'OWN', data: { n: 1 }, missed: 0, status: 'connected' });
  });
}
