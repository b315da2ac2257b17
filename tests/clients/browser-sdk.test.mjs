// The official SDK's browser build in a real browser, on a page of another origin: only CORS lets it through.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { startServer } from './harness.mjs';
import { TIMEOUT_MS } from './inbox.mjs';
import { message } from './leap-socket.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const MODULES = fileURLToPath(new URL('node_modules/', import.meta.url));
/** Where the build's bare imports are; what a bundler would look up. */
const IMPORTS = {
  '@onehop/js': '/@onehop/js/dist/index.js',
  '@onehop/json-methods': '/@onehop/json-methods/dist/index.mjs',
  uncrypto: '/uncrypto/dist/crypto.web.mjs',
  // A fallback for browsers without fetch, in a module format that none reads.
  'cross-fetch': 'data:text/javascript,export default null',
};
const PAGE = `<!doctype html><title>SDK</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module">import * as sdk from '@onehop/js'; window.sdk = sdk;</script>`;

let server;
let site;
let browser;
let page;

before(async () => {
  assert.ok(existsSync(CHROMIUM), `no browser at ${CHROMIUM}: install Chromium or set CHROMIUM`);
  server = await startServer();
  site = http.createServer(async (request, response) => {
    if (request.url === '/') return response.setHeader('content-type', 'text/html').end(PAGE);
    const body = await readFile(path.join(MODULES, path.normalize(request.url))).catch(() => null);
    response.statusCode = body === null ? 404 : 200;
    response.setHeader('content-type', 'text/javascript').end(body ?? '');
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.waitForFunction(() => window.sdk);
  await page.evaluate(([token, base]) => { window.hop = new window.sdk.Hop(token, base); }, [server.token, server.base]);
});
after(async () => {
  await browser?.close();
  site?.close();
  await server?.remove();
});

test('creates, reads, changes, publishes and deletes', async () => {
  await server.channel('watch');
  const watcher = await server.connect();
  await watcher.subscribe('watch');
  const seen = await page.evaluate(async () => {
    const { channels } = window.hop;
    const created = await channels.create('public', 'from-browser', { state: { a: 1 } });
    await created.setState({ a: 2 });
    await channels.patchState('from-browser', { b: 3 });
    const read = await channels.get('from-browser');
    await channels.publishMessage('watch', 'FROM_BROWSER', { ok: true });
    const token = await channels.tokens.create({ name: 'ann' });
    await channels.subscribeToken('from-browser', token.id);
    const all = (await channels.getAll()).map(({ id }) => id);
    await channels.tokens.delete(token.id);
    await channels.delete('from-browser');
    return { origin: location.origin, id: created.id, state: read.state, all, left: (await channels.getAll()).map(({ id }) => id) };
  });
  assert.notEqual(seen.origin, server.base);
  assert.equal(seen.id, 'from-browser');
  assert.deepEqual(seen.state, { a: 2, b: 3 });
  assert.ok(seen.all.includes('from-browser') && !seen.left.includes('from-browser'));
  assert.deepEqual((await watcher.inbox.next(message('FROM_BROWSER'))).d.d.d, { ok: true });
});

test('a refusal reaches the page as the SDK’s own error', async () => {
  const refused = await page.evaluate(async (base) => {
    const fault = async (call) => {
      try {
        await call;
        return null;
      } catch (error) {
        return { status: error.status, code: error.data?.error?.code, ours: error instanceof window.sdk.HopAPIError };
      }
    };
    const stranger = new window.sdk.Hop('ptk_nobody', base);
    return [await fault(window.hop.channels.get('nowhere')), await fault(stranger.channels.getAll())];
  }, server.base);
  assert.deepEqual(refused, [
    { status: 404, code: 'channel_not_found', ours: true },
    { status: 401, code: 'invalid_auth', ours: true },
  ]);
});
