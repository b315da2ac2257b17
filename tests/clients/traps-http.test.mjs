// The traps of docs/CLIENTS.md about HTTP answers: 1, 2, 12 and 13.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Hop, HopAPIError } from '@onehop/js';
import { PROJECT_TOKEN, startServer } from './harness.mjs';

let server;

before(async () => {
  server = await startServer();
});
after(() => server?.remove());

test('trap 1: creating answers 200 with the created thing', async () => {
  const creations = [
    ['POST', '/v1/channels', { type: 'private', state: null }, 'channel'],
    ['POST', '/v1/channels', { type: 'public' }, 'channel'],
    ['PUT', '/v1/channels/made', { type: 'unprotected', state: {} }, 'channel'],
    ['POST', '/v1/channels/tokens', { state: null, expires_at: null }, 'token'],
    ['POST', '/v1/projects/@this/tokens', { permissions: ['MANAGE_CHANNELS'] }, 'project_token'],
    ['POST', '/v1/projects/@this/webhooks', { webhook_url: 'https://example.com/', events: [] }, 'webhook'],
  ];
  for (const [method, path, body, kind] of creations) {
    const answer = await server.api(method, path, body);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    assert.equal(answer.json.success, true);
    assert.equal(typeof answer.data[kind].id, 'string');
  }
});

test('trap 1: calls without a result answer 204 without a body, aliases included', async () => {
  await server.channel('void', 'private');
  const token = await server.leapToken();
  const calls = [
    ['POST', '/v1/channels/void/messages', { e: 'E', d: 1 }],
    ['POST', '/v1/channels/void/publish', { e: 'E', d: null }],
    ['PUT', `/v1/channels/void/subscribers/${token}`],
    ['DELETE', `/v1/channels/void/subscribers/${token}`],
    ['POST', `/v1/channels/void/tokens/${token}`],
    ['DELETE', `/v1/channels/void/tokens/${token}`],
    ['POST', `/v1/channels/tokens/${token}/messages`, { e: 'E', d: {} }],
    ['POST', `/v1/channels/tokens/${token}/message`, { event: 'E', data: {} }],
    ['DELETE', `/v1/channels/tokens/${token}`],
    ['DELETE', '/v1/channels/void'],
  ];
  for (const [method, path, body] of calls) {
    const { status, text } = await server.api(method, path, body);
    assert.deepEqual([status, text], [204, ''], `${method} ${path}`);
  }
});

test('trap 1: writing a state answers 200 with the state', async () => {
  await server.channel('stateful', 'private', { state: { a: 1 } });
  for (const [method, body, state] of [['PUT', { b: 2 }, { b: 2 }], ['PATCH', { c: 3 }, { b: 2, c: 3 }], ['PUT', undefined, {}]]) {
    const answer = await server.api(method, '/v1/channels/stateful/state', body);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.data.state, state);
    assert.equal(typeof answer.data.version, 'number');
  }
});

test('trap 2: every error is JSON with the envelope, and readable by a browser', async () => {
  await server.channel('here', 'private');
  const deep = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`;
  const refused = [
    [404, 'GET', '/nowhere'],
    [404, 'GET', '/v1/nowhere'],
    [404, 'GET', '/v1/channels/missing'],
    [404, 'POST', '/v1/channels/missing/messages', { e: 'E' }],
    [405, 'PATCH', '/v1/channels'],
    [405, 'PATCH', '/v1/channels/here/messages'],
    [409, 'DELETE', '/v1/channels/here/messages'],
    [400, 'POST', '/v1/channels', '{"type":'],
    [400, 'POST', '/v1/channels', '[]'],
    [400, 'POST', '/v1/channels', { type: 'secret' }],
    [400, 'POST', '/v1/channels', { type: 'public', state: [1] }],
    [400, 'PUT', '/v1/channels/here/state', '"text"'],
    [400, 'PUT', '/v1/channels/here/state', deep],
    [400, 'POST', '/v1/channels/here/messages', { d: 1 }],
    [400, 'POST', '/v1/channels/here/messages', { e: 5, d: 1 }],
    [400, 'POST', '/v1/channels/here/messages', { e: 'x'.repeat(257), d: 1 }],
    [400, 'POST', '/v1/channels/here/messages', Buffer.from('{"e":"\xff"}', 'latin1')],
    [400, 'GET', '/v1/channels?page=nonsense'],
    [400, 'GET', `/v1/channels/${'x'.repeat(257)}`],
    [415, 'POST', '/v1/channels/here/messages', 'e=E', { 'content-type': 'application/x-www-form-urlencoded' }],
    [401, 'GET', '/v1/channels', undefined, { authorization: null }],
    [401, 'GET', '/v1/channels', undefined, { authorization: 'Basic abc' }],
  ];
  for (const [status, method, path, body, headers] of refused) {
    const answer = await server.api(method, path, body, { origin: 'https://app.example', ...headers });
    const what = `${method} ${path.slice(0, 60)} ${String(JSON.stringify(body)).slice(0, 60)} → ${answer.status} ${answer.text}`;
    assert.match(answer.headers['content-type'] ?? '(none)', /application\/json/, what);
    assert.equal(answer.json.success, false, what);
    assert.match(answer.error.code, /^[a-z_]+$/, what);
    assert.notEqual(answer.error.message, '', what);
    assert.ok(['*', 'https://app.example'].includes(answer.headers['access-control-allow-origin']), what);
    assert.equal(answer.status, status, what);
  }
});

test('trap 2: a body over the limit is refused as JSON, with limit and size', async () => {
  await server.channel('large', 'private');
  const answer = await server.api('POST', '/v1/channels/large/messages', `{"e":"E","d":"${'x'.repeat(65 * 1024 * 1024)}"}`);
  assert.equal(answer.status, 413, answer.text);
  assert.match(answer.headers['content-type'], /application\/json/);
  assert.equal(answer.error.code, 'too_large');
});

test('trap 2: the SDK sees each error as an error', async () => {
  const hop = new Hop(PROJECT_TOKEN, server.base);
  const isApiError = (error) => error instanceof HopAPIError;
  await assert.rejects(hop.channels.publishMessage('missing', 'E', {}), isApiError);
  await assert.rejects(hop.channels.delete('missing'), isApiError);
  await assert.rejects(hop.channels.setState('missing', {}), isApiError);
  await assert.rejects(hop.channels.tokens.delete('leap_token_nobody'), isApiError);
  await assert.rejects(hop.projects.webhooks.delete('webhook_none'), isApiError);
});

test('trap 2: browsers may call the API', async () => {
  const answer = await server.api('OPTIONS', '/v1/channels/room/state', undefined, {
    authorization: null,
    origin: 'https://app.example',
    'access-control-request-method': 'PATCH',
    'access-control-request-headers': 'authorization,content-type',
  });
  assert.ok([200, 204].includes(answer.status), String(answer.status));
  assert.ok(['*', 'https://app.example'].includes(answer.headers['access-control-allow-origin']));
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    assert.match(answer.headers['access-control-allow-methods'], new RegExp(`\\b${method}\\b`));
  }
  for (const name of ['authorization', 'content-type']) {
    assert.match(answer.headers['access-control-allow-headers'], new RegExp(`\\b${name}\\b`, 'i'));
  }
});

test('trap 12: the pages of the channel list reach exactly total_count, then are empty', async () => {
  for (let n = 0; n < 80; n += 1) await server.channel(`page-${n}`, 'private');
  const unpaged = await server.ok('GET', '/v1/channels');
  const whole = unpaged.channels.map(({ id }) => id);
  assert.equal(unpaged.total_count, whole.length);
  assert.ok(Number.isInteger(unpaged.page_size) && unpaged.page_size > 0);
  assert.ok(whole.length > 80, 'without `page` nothing is held back');
  for (const [query, size] of [['pageSize=7&orderBy=asc&sortBy=created_at', 7], ['pageSize=75', 75], ['', 75]]) {
    const ids = [];
    for (let page = 1; page < 100; page += 1) {
      const data = await server.ok('GET', `/v1/channels?page=${page}&${query}`);
      assert.equal(data.page_size, size);
      assert.equal(data.total_count, whole.length);
      if (data.channels.length === 0) break;
      assert.ok(data.channels.length <= size);
      ids.push(...data.channels.map(({ id }) => id));
    }
    assert.deepEqual(ids, whole, `with ${query}`);
  }
  const backwards = await server.ok('GET', '/v1/channels?page=1&pageSize=1000&orderBy=desc&sortBy=created_at');
  assert.deepEqual(backwards.channels.map(({ id }) => id).reverse(), whole);
});

test('trap 13: ids with spaces, colons, dots and any script work, encoded by the SDK or not at all', async () => {
  const hop = new Hop(PROJECT_TOKEN, server.base);
  const ids = ['a b', 'é☃', 'a:b', '0.8f3a9c', 'poker_ck1', '-', '~!$&\'()*+,;=@', 'x'.repeat(256)];
  for (const id of ids) {
    const created = await hop.channels.create('unprotected', id, { state: { id } });
    assert.equal(created.id, id);
    assert.deepEqual((await hop.channels.get(id)).state, { id });
    assert.equal((await server.ok('GET', `/v1/channels/${encodeURIComponent(id)}`)).channel.id, id);
    const socket = await server.connect();
    assert.equal((await socket.subscribe(id)).d.channel.id, id);
    await hop.channels.publishMessage(id, 'HERE', {});
    await socket.message('HERE');
    await socket.close();
    await hop.channels.delete(id);
  }
});

test('trap 13: ids that cannot travel are refused, raw or encoded, and nothing is created', async () => {
  const before = (await server.ok('GET', '/v1/channels')).channels.length;
  const raw = ['50%', 'a%2Fb', 'a%23b', 'a%3Fb', 'a%5Cb', '50%25', 'a%00b', 'a%0Ab', '%ff', '%2e', '%2E%2E', 'connections', 'x'.repeat(257), '%E2%98%83'.repeat(86)];
  for (const id of raw) {
    const answer = await server.api('PUT', `/v1/channels/${id}`, { type: 'public', state: {} });
    assert.deepEqual([answer.status, answer.error?.code], [400, 'invalid_id'], `${id}: ${answer.text}`);
  }
  const reserved = await server.api('PUT', '/v1/channels/tokens', { type: 'public', state: {} });
  assert.ok([400, 405].includes(reserved.status), reserved.text);
  assert.equal((await server.ok('GET', '/v1/channels')).channels.length, before);
});

test('trap 13: doubled slashes collapse and /v1channels is /v1/channels', async () => {
  await server.channel('slashes', 'private');
  for (const path of ['/v1//channels/slashes', '//v1//channels//slashes', '/v1channels/slashes', '//v1channels//slashes']) {
    assert.equal((await server.ok('GET', path)).channel.id, 'slashes', path);
  }
  const { token } = await server.ok('POST', '/v1channels/tokens', { state: {}, expires_at: null });
  assert.equal((await server.ok('GET', `/v1channels/tokens/${token.id}`)).token.id, token.id);
  assert.equal((await server.api('DELETE', `/v1channels/tokens/${token.id}`)).status, 204);
});
