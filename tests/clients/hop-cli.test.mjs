// The official command line, hop-cli 0.2.61, as its users run it; cli/install.sh installs it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_TOKEN, PROJECT, ROOT, startServer } from './harness.mjs';
import { message } from './leap-socket.mjs';

const BINARY = path.resolve(process.env.HOP_CLI ?? path.join(ROOT, 'target/hop-cli/bin/hop'));
const IS_SKIPPED = process.env.WARREN_SKIP_HOP_CLI === '1';
/** A command that hangs, as endless paging would make it, is killed. */
const LIMIT_MS = 30_000;
/** An event that this command line can name; of `channel.*` it knows none. */
const EVENT = 'project.tokens.created';

if (IS_SKIPPED) console.log('SKIPPED: the hop-cli tests, because WARREN_SKIP_HOP_CLI=1');
const cliTest = (name, run) => test(name, { skip: IS_SKIPPED && 'WARREN_SKIP_HOP_CLI=1' }, run);

let server;
let home;

before(async () => {
  if (IS_SKIPPED) return;
  assert.ok(existsSync(BINARY), `no hop-cli at ${BINARY}: run tests/clients/cli/install.sh (minutes, once), or set WARREN_SKIP_HOP_CLI=1`);
  server = await startServer();
  home = await mkdtemp(path.join(tmpdir(), 'warren-hop-cli-'));
});
after(async () => {
  await server?.remove();
  if (home) await rm(home, { recursive: true, force: true });
});

/** Runs a command in a home of its own; resolves to `{code, out, err}`, colours removed. */
function run(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(BINARY, args, { env: { PATH: process.env.PATH, HOME: home, CI: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    const parts = { out: '', err: '' };
    child.stdout.on('data', (text) => { parts.out += text; });
    child.stderr.on('data', (text) => { parts.err += text; });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const plain = Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, text.replace(/\x1b\[\d*m/g, '')]));
      resolve({ code: code ?? signal, ...plain });
    });
  });
}

/** Runs a command with the project's token, unless told otherwise. */
const hop = (args, env) => run(args, { API_URL: `${server.base}/v1`, TOKEN: server.token, PROJECT_ID: PROJECT, ...env });

/** Runs a command that has to succeed; returns what it printed. */
async function ok(args, env) {
  const { code, out, err } = await hop(args, env);
  assert.equal(code, 0, `hop ${args.join(' ')}: ${code}\n${out}${err}\n${server.log()}`);
  return out;
}

const words = (text) => text.trim().split(/\s+/).filter(Boolean);

cliTest('whoami, by project token and by admin token', async () => {
  assert.match(await ok(['whoami']), /logged in as `Default`[^]*project_test/);
  assert.match(await ok(['whoami'], { TOKEN: ADMIN_TOKEN }), /logged in as `operator`[^]*project_test/);
  const refused = await hop(['whoami'], { TOKEN: 'ptk_nobody' });
  assert.equal(refused.code, 1);
  assert.match(refused.err, /no valid project token/);
});

cliTest('channels: new, ls, message, rm', async () => {
  assert.match(await ok(['channels', 'new', '--id', 'cli-room', '--type', 'unprotected', '--state', '{"a":1}']), /Created Channel `cli-room`/);
  assert.deepEqual((await server.ok('GET', '/v1/channels/cli-room')).channel.state, { a: 1 });
  const [, generated] = /Created Channel `(channel_\w+)`/.exec(await ok(['channels', 'new', '--type', 'private', '--state', '{}']));
  assert.match(await ok(['channels', 'ls']), /cli-room +unprotected +\d{4}-/);
  const ids = words(await ok(['channels', 'ls', '-q']));
  assert.ok(ids.includes('cli-room') && ids.includes(generated), String(ids));

  const twice = await hop(['channels', 'new', '--id', 'cli-room', '--type', 'private', '--state', '{}']);
  assert.equal(twice.code, 1);
  assert.match(twice.err, /exists already/);

  const listener = await server.connect();
  await listener.subscribe('cli-room');
  assert.match(await ok(['channels', 'message', '-c', 'cli-room', '-e', 'FROM_CLI']), /Message sent/);
  assert.deepEqual((await listener.inbox.next(message('FROM_CLI'))).d.d.d, {});

  assert.match(await ok(['channels', 'rm', '-f', 'cli-room', generated]), /Deleted 2\/2/);
  const missing = await hop(['channels', 'rm', '-f', 'cli-room']);
  assert.match(missing.out + missing.err, /Deleted 0\/1[^]*channel not found/);
});

cliTest('channels ls pages to the end and stops, by admin token too', async () => {
  const made = Array.from({ length: 160 }, (_, n) => `many-${n}`);
  for (const id of made) await server.channel(id, 'private');
  for (const env of [{}, { TOKEN: ADMIN_TOKEN }]) {
    const ids = words(await ok(['channels', 'ls', '-q'], env));
    assert.equal(new Set(ids).size, ids.length, 'each once');
    assert.ok(made.every((id) => ids.includes(id)));
  }
  for (const id of made) await server.ok('DELETE', `/v1/channels/${id}`);
});

cliTest('tokens: new with expiry, ls, subscribe, messages, rm', async () => {
  await server.channel('cli-den', 'private', { state: { cosy: true } });
  const [, token] = /(leap_token_\w+)/.exec(await ok(['channels', 'tokens', 'new', '-e', '1d', '-s', '{"name":"ann"}']));
  const stored = (await server.ok('GET', `/v1/channels/tokens/${token}`)).token;
  assert.deepEqual(stored.state, { name: 'ann' });
  assert.ok(Math.abs(Date.parse(stored.expires_at) - Date.now() - 86_400_000) < 60_000, stored.expires_at);
  assert.match(await ok(['channels', 'tokens', 'ls']), new RegExp(token));
  assert.ok(words(await ok(['channels', 'tokens', 'ls', '-q'])).includes(token));

  const socket = await server.connect({ token });
  assert.match(await ok(['channels', 'subscribe', '-c', 'cli-den', '-t', token]), /Subscribed Token/);
  assert.deepEqual((await socket.dispatched('AVAILABLE', 'cli-den')).d.channel.state, { cosy: true });
  assert.match(await ok(['channels', 'tokens', 'messages', '-t', token, '-e', 'PSST']), /Message sent/);
  await socket.inbox.next(message('PSST'));

  assert.match(await ok(['channels', 'tokens', 'rm', '-f', token]), /Deleted 1\/1/);
  assert.equal((await socket.closed).code, 4001);
});

cliTest('a token of any JSON state can be made, and connects', async () => {
  const [, token] = /(leap_token_\w+)/.exec(await ok(['channels', 'tokens', 'new', '-s', '"just a string"']));
  assert.deepEqual((await server.connect({ token })).init.scope, 'token');
  await ok(['channels', 'tokens', 'rm', '-f', token]);
});

cliTest('webhooks: new, ls beside one with events it does not know, update, regenerate, rm', async () => {
  const event = JSON.stringify(EVENT);
  const made = await ok(['webhooks', 'new', 'http://127.0.0.1:9/cli', '-e', event]);
  const [, id] = /ID: (webhook_\w+)/.exec(made);
  const [, secret] = /Secret: (whsec_\S+)/.exec(made);
  const { webhook: ours } = await server.ok('POST', '/v1/projects/@this/webhooks', { webhook_url: 'http://127.0.0.1:9/rest', events: ['channel.created', 'token.deleted'] });
  assert.deepEqual(words(await ok(['webhooks', 'ls', '-q'])), [id, ours.id]);
  await ok(['webhooks', 'update', '-i', id, '-u', 'http://127.0.0.1:9/moved', '-e', event]);
  assert.match(await ok(['webhooks', 'ls']), /http:\/\/127.0.0.1:9\/moved/);
  const [, renewed] = /Secret: (whsec_\S+)/.exec(await ok(['webhooks', 'regenerate', '-i', id]));
  assert.notEqual(renewed, secret);
  await ok(['webhooks', 'rm', '-i', id]);
  assert.deepEqual(words(await ok(['webhooks', 'ls', '-q'])), [ours.id]);
  await server.ok('DELETE', `/v1/projects/@this/webhooks/${ours.id}`);
});

cliTest('auth: login with an admin token, work without any environment, logout withdraws the token', async () => {
  const admin = { authorization: ADMIN_TOKEN };
  const { pat } = await server.ok('POST', '/v1/users/@me/pats', { name: 'cli' }, admin);
  await mkdir(path.join(home, '.hop'), { recursive: true });
  await writeFile(path.join(home, '.hop/context.json'), JSON.stringify({ override_api_url: `${server.base}/v1` }));
  for (const [args, expected] of [
    [['auth', 'login', '--token', pat.pat], /Logged in as: `operator`/],
    [['projects', 'ls'], /project_test/],
    [['channels', 'ls', '-q'], /hello/],
    [['auth', 'logout'], /logged out/],
  ]) {
    const { code, out, err } = await run(args, {});
    assert.equal(code, 0, `hop ${args.join(' ')}: ${out}${err}`);
    assert.match(out, expected);
  }
  const { pats } = await server.ok('GET', '/v1/users/@me/pats', undefined, admin);
  assert.ok(!pats.some(({ id }) => id === pat.id));
});
