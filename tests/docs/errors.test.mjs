// Errors lead to the paragraph that explains them, as the server that refused serves it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startServer } from '../clients/harness.mjs';
import { read } from './markdown.mjs';
import { BINARY } from './world.mjs';

let server;
before(async () => {
  server = await startServer();
  await server.channel('room');
});
after(() => server?.remove());

/** Follows a link from where the server is mounted. @param {string} link */
async function follow(link) {
  const [path, id] = link.split('#');
  const page = await server.api('GET', path, undefined, { authorization: null });
  assert.equal(page.status, 200, link);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.ok(page.text.includes(`<h3 id="${id}">`), `${link} is nowhere on the page`);
}

/** What is refused, and by which code. @type {[string, () => Promise<any>][]} */
const REFUSED = [
  ['channel_not_found', () => server.api('GET', '/v1/channels/nowhere')],
  ['invalid_auth', () => server.api('GET', '/v1/channels', undefined, { authorization: 'ptk_nobody' })],
  ['missing_permission', () => server.api('GET', '/v1/projects')],
  ['not_found', () => server.api('GET', '/v1/nowhere')],
  ['method_not_allowed', () => server.api('DELETE', '/v1/channels')],
  ['invalid_body', () => server.api('PUT', '/v1/channels/new', '{"type":')],
  ['invalid_query', () => server.api('GET', '/v1/channels?page=0')],
  ['invalid_id', () => server.api('PUT', '/v1/channels/tokens%2Fx', {})],
  ['channel_exists', () => server.api('PUT', '/v1/channels/room', {})],
  ['missing_capability', () => server.api('GET', '/v1/channels/room/messages')],
  ['version_conflict', () => server.api('PUT', '/v1/channels/room/state', {}, { 'if-match': '"x.1"' })],
  ['unsupported_media_type', () => server.api('PUT', '/v1/channels/room/state', 'x', { 'content-type': 'text/plain' })],
  ['bad_request', () => server.api('GET', '/ws')],
  ['invalid_idempotency_key', () => server.api('PUT', '/v1/channels/new', {}, { 'idempotency-key': '' })],
];

for (const [code, ask] of REFUSED) {
  test(`${code} leads to its paragraph`, async () => {
    const { error } = await ask();
    assert.equal(error.code, code);
    assert.equal(error.docs, `/docs/errors#${code}`);
    await follow(error.docs);
  });
}

test('an item of a batch has the link too', async () => {
  const { results } = await server.ok('POST', '/v1/batch', { items: [{ method: 'GET', path: '/v1/channels' }] });
  assert.equal(results[0].body.error.docs, '/docs/errors#not_in_batch');
});

test('the command line prints the link whole', async () => {
  const asked = promisify(execFile)(BINARY, ['channels', 'get', 'nowhere', '--url', server.base, '--token', server.token], { env: { PATH: process.env.PATH, HOME: server.dataDir } });
  const { stderr } = await asked.then(() => assert.fail('it was not refused'), (error) => error);
  const [, link] = /; more: (http\S+)/.exec(stderr) ?? [];
  assert.equal(link, `${server.base}/docs/errors#channel_not_found`);
  await follow(link.slice(server.base.length));
});

test('every heading of the page is served under its anchor', async () => {
  const page = await server.api('GET', '/docs/errors');
  const anchors = read('docs/errors.md').anchors;
  assert.ok(anchors.size > 60);
  for (const id of anchors) assert.ok(page.text.includes(` id="${id}"`), id);
});
