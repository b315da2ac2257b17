// What a proxy in front of Warren has to let through, and say. One official client lives in a process, so each proxy has a
// test file of its own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PROJECT_TOKEN, startServer } from '../clients/harness.mjs';
import { connectClient } from '../clients/hop-client.mjs';
import { LeapSocket } from '../clients/leap-socket.mjs';
import { configuration, startProxy } from './proxy.mjs';

/** Where the client of these tests is; the proxy calls Warren from 127.0.0.1. */
const CLIENT = '127.0.0.5';
/** After how many seconds a server with no settings ends what is quiet. */
async function heartbeatTimeout() {
  const { stdout } = await promisify(execFile)(process.env.WARREN_BIN, ['config', 'show', '--json'], { env: {} });
  const { settings } = JSON.parse(stdout);
  return Number(settings.find(({ key }) => key === 'heartbeat-timeout').value);
}

/** What a client says who wants to be somebody else. */
const CLAIMS = { 'x-forwarded-for': '192.0.2.66', forwarded: 'for=192.0.2.67' };

/**
 * The tests of one proxy. `timeouts` finds the settings in its file after which something quiet is ended, in seconds, and
 * `without` what must not be there; `isHttp`: it reads requests, and does not only pass bytes on; `redirects`: it sends plain
 * HTTP to TLS on a port that the file names.
 */
export function behindProxy(name, options) {
  describe(name, () => theTests(name, options));
}

function theTests(name, { environment = {}, timeouts = [], without = null, isHttp = true, redirects = false }) {
  let server;
  let proxy;
  let it;

  before(async () => {
    server = await startServer({ WARREN_TRUSTED_PROXIES: '127.0.0.1/32', ...environment });
    await server.channel('chat', 'unprotected', { capabilities: ['CLIENT_PUBLISH'] });
    proxy = await startProxy(name, new URL(server.base).port);
    it = await connectClient({ project: server.project, wsUrl: proxy.wsUrl });
  });
  after(async () => {
    it?.stop();
    await proxy?.remove();
    await server?.remove();
  });

  const api = (method, url, body) => proxy.request(method, url, {
    body: body && JSON.stringify(body),
    headers: { authorization: PROJECT_TOKEN, 'content-type': 'application/json' },
  });

  test('the official client hears and says messages over TLS', async () => {
    it.client.subscribeToChannel('chat');
    await it.available('chat');
    const published = await api('POST', '/v1/channels/chat/messages', { e: 'THROUGH', d: { n: 1 } });
    assert.equal(published.status, 204, published.text);
    assert.deepEqual((await it.message('THROUGH')).data, { n: 1 });
    it.client.sendMessage('chat', 'BACK', { n: 2 });
    assert.deepEqual((await it.message('BACK')).data, { n: 2 });
  });

  test('the server knows where a client is, whatever the client says', async () => {
    for (const headers of [{}, CLAIMS]) {
      const token = await server.leapToken();
      const socket = await LeapSocket.open(proxy.wsUrl, { headers, localAddress: CLIENT });
      await socket.identify({ project_id: server.project, token });
      const { connections } = await server.ok('GET', `/v1/channels/tokens/${token}/connections`);
      assert.deepEqual(connections.map(({ address }) => address), [CLIENT]);
      socket.cut();
    }
  });

  test('a stream brings each event when it comes', async () => {
    const stream = await proxy.stream(`/sse?project=${server.project}&channels=chat`);
    assert.equal(stream.status, 200);
    await stream.events.next(({ event }) => event === 'AVAILABLE', 'AVAILABLE');
    // Each is waited for before the next one is said: what holds something back holds it for ever.
    for (let n = 0; n < 3; n += 1) {
      await server.publish('chat', 'STREAMED', { n });
      const { data } = await stream.events.next(({ event }) => event === 'MESSAGE', `message ${n}`, 5_000);
      assert.deepEqual(data.d, { e: 'STREAMED', d: { n } });
    }
    stream.end();
  });

  test('a body of many mebibytes goes through', async () => {
    const text = 'x'.repeat(8 * 1024 * 1024);
    const answer = await api('PATCH', '/v1/channels/chat/state', { text });
    // The server's own bound on states says no, not the proxy.
    assert.equal(answer.status, 413, answer.text.slice(0, 200));
    assert.match(answer.headers['content-type'], /json/);
    assert.equal(JSON.parse(answer.text).error.code, 'too_large');
  });

  test('nothing quiet is ended before the server would', async () => {
    const settings = await configuration(name);
    const timeout = await heartbeatTimeout();
    assert.ok(timeout >= 90, `${timeout}`);
    for (const pattern of timeouts) {
      const found = pattern.exec(settings);
      assert.ok(found, `${pattern} is not in ${name}`);
      assert.ok(Number(found[1]) > timeout, `${found[0]} is not more than ${timeout} s`);
    }
    assert.ok(timeouts.length > 0 || without);
    if (without) assert.doesNotMatch(settings, without);
  });

  if (isHttp) {
    test('the server’s numbers are not there', async () => {
      assert.equal((await api('GET', '/metrics')).status, 404);
    });
  }

  if (redirects) {
    test('plain HTTP is sent to TLS', async () => {
      const answer = await new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: proxy.places.http, path: '/v1/x?y=1', agent: false }, resolve).on('error', reject);
      });
      answer.resume();
      assert.equal(answer.statusCode, 308);
      assert.match(answer.headers.location, /^https:\/\/127\.0\.0\.1(:\d+)?\/v1\/x\?y=1$/);
    });
  }

  test('a stop reaches clients with its code, and they come back', async () => {
    const socket = await LeapSocket.open(proxy.wsUrl, { localAddress: CLIENT });
    await socket.identify({ project_id: server.project });
    assert.equal(await server.stop(), 0);
    assert.equal((await socket.closing()).code, 4010);
    await it.disconnected();
    await server.start();
    await it.available('chat');
    await server.publish('chat', 'AFTER_STOP', {});
    await it.message('AFTER_STOP');
  });
}
