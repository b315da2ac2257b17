// The client of clients/js, as whoever installs it gets it: packed by npm, unpacked, imported by its name.

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { CLIENT } from './client-build.mjs';
import { Inbox } from './inbox.mjs';

const run = promisify(execFile);
const MODULES = fileURLToPath(new URL('node_modules', import.meta.url));

/** Packs the client and installs it below a folder of its own, with React beside it. */
async function install() {
  const folder = await mkdtemp(path.join(tmpdir(), 'warren-client-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: CLIENT });
  const [{ filename, files }] = JSON.parse(stdout);
  const home = path.join(folder, 'node_modules/warren-client');
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', path.join(folder, filename), '--strip-components=1', '-C', home]);
  for (const name of ['react', '@types']) await symlink(path.join(MODULES, name), path.join(folder, 'node_modules', name));
  const entry = path.join(folder, 'entry.mjs');
  await writeFile(entry, "export * from 'warren-client';\nexport const react = () => import('warren-client/react');\nexport * as jwt from 'warren-client/jwt';\n");
  return { home, files: files.map(({ path }) => path), exports: await import(pathToFileURL(entry)) };
}

export const installed = await install();
export const { connect, Client, Channel, CloseError, WarrenError, react, jwt } = installed.exports;

/** Where the test's sockets come from, and how fast this client gives up and comes back. */
export const FAST = { WebSocket, retryMinMs: 20, retryMaxMs: 200, handshakeMs: 3000, heartbeatMs: 600, ackMs: 300 };

/** Everything that a channel, or whatever else has events, tells: `{name, ...detail}`. */
export function recorded(emitter, ...names) {
  const inbox = new Inbox();
  for (const name of names) emitter.on(name, (detail) => inbox.push({ name, ...detail }));
  return inbox;
}
