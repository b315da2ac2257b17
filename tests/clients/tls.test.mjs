// The official clients against a server that speaks TLS itself, under a certificate that they are told to trust.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PROJECT, PROJECT_TOKEN, startServer } from './harness.mjs';

const CLIENT = fileURLToPath(new URL('tls-client.mjs', import.meta.url));
let folder;
let certificate;
let server;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'warren-tls-'));
  const [cert, key] = ['tls.crt', 'tls.key'].map((name) => path.join(folder, name));
  certificate = cert;
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
    '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost',
  ], { stdio: 'pipe' });
  server = await startServer({
    WARREN_LISTEN: 'plain:127.0.0.1:0,127.0.0.1:0',
    WARREN_TLS_CERT: cert,
    WARREN_TLS_KEY: key,
  });
  await server.channel('room', 'unprotected');
});
after(async () => {
  await server?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the clients in a process that trusts this beside what Node trusts. */
function run(trusted) {
  const env = { ...process.env, ...(trusted && { NODE_EXTRA_CA_CERTS: trusted }) };
  return promisify(execFile)(process.execPath, [CLIENT, server.printed.also, PROJECT, PROJECT_TOKEN, 'room'], {
    env,
    timeout: 60_000,
  });
}

test('the official clients speak wss and https with a server whose certificate they trust', async () => {
  assert.match(server.printed.also, /^https:\/\/127\.0\.0\.1:\d+$/);
  const { stdout } = await run(certificate);
  assert.match(stdout, /heard all/);
});

test('and not with one whose certificate they do not', async () => {
  await assert.rejects(fetch(`${server.printed.also}/health/live`), ({ cause }) => /self.signed/i.test(cause.message));
});
