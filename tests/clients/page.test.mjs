// The quick-start page in a real browser, the way a newcomer meets it: printed link, printed curl line.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { HOSTILE, overflow, startBrowser } from './browser.mjs';
import { ROOT, startServer } from './harness.mjs';

const run = promisify(execFile);

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
afterEach(() => browser?.settle());
after(async () => {
  await browser?.close();
  await server?.remove();
});

const openPage = (url, options) => browser.open(url, options);

/** The page's address for a channel of the test project. */
const address = (channel, more = {}) => `${server.base}/#${new URLSearchParams({ project: server.project, channel, ...more })}`;
const isConnected = (page) => page.waitForSelector('#status[data-status="connected"]');
const firstMessage = (page) => page.locator('.message').first();
const text = (page, selector) => page.locator(selector).first().innerText();
const stateShows = (page, part) => page.waitForFunction((part) => document.getElementById('state').textContent.includes(part), part);

test('the first run prints a link and a curl line that work together', async () => {
  const { page: url, curl, project_token: token } = server.printed;
  assert.match(curl, /^curl -X POST /);
  assert.equal(url, `${server.base}/#project=${server.project}&channel=hello`);
  assert.equal(token, server.token);
  const page = await openPage(url);
  await isConnected(page);
  assert.equal(await text(page, '#status-text'), 'Connected');
  assert.equal(await text(page, '#channel-name'), 'hello');
  await stateShows(page, '{');
  assert.equal(await page.isVisible('#empty'), true);

  await run('sh', ['-c', curl]);
  await firstMessage(page).waitFor();
  assert.equal(await text(page, '.event'), 'greeting');
  assert.deepEqual(JSON.parse(await text(page, '.message pre')), { text: 'Hello, Warren' });
  assert.ok(Date.parse(await page.getAttribute('.message time', 'datetime')) > Date.now() - 60_000);
  assert.equal(await page.isVisible('#empty'), false);

  await server.ok('PUT', '/v1/channels/hello/state', { mood: 'calm', visitors: 3 });
  await stateShows(page, 'visitors');
  assert.deepEqual(JSON.parse(await text(page, '#state')), { mood: 'calm', visitors: 3 });
  await page.screenshot({ path: path.join(ROOT, 'target/quickstart.png'), fullPage: true, animations: 'disabled' });
});

test("the page's own commands work once the token is filled in", async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  for (const id of ['#curl-message', '#curl-state']) {
    const command = (await text(page, id)).replace('ptk_…', server.token);
    assert.ok(command.includes(server.token));
    await run('sh', ['-c', command]);
  }
  await firstMessage(page).waitFor();
  await stateShows(page, '"curious"');
});

test('Copy copies the command', async () => {
  const page = await openPage(address('hello'), { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.click('[data-copy="curl-message"]');
  await page.waitForSelector('text=Copied');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await text(page, '#curl-message'));
});

test('hostile names and data are shown as text', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  await server.publish('hello', HOSTILE, { [HOSTILE]: HOSTILE });
  await firstMessage(page).waitFor();
  assert.equal(await text(page, '.event'), HOSTILE);
  assert.deepEqual(JSON.parse(await text(page, '.message pre')), { [HOSTILE]: HOSTILE });
  await server.ok('PUT', '/v1/channels/hello/state', { [HOSTILE]: HOSTILE });
  await stateShows(page, 'onerror');
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('main img, main script').count(), 0);
});

test('a channel name and a token from the address are shown or kept as text, too', async () => {
  const page = await openPage(address(HOSTILE.replaceAll('/', '')));
  await page.waitForSelector('#trouble:not([hidden])');
  assert.match(await text(page, '#trouble-text'), /has no channel “<img src=x/);
  assert.equal(await page.locator('main img').count(), 0);
});

test('it says Connected when the channel is heard, not before', async () => {
  const page = await openPage('about:blank');
  const held = [];
  let hold = true;
  let socket;
  await page.routeWebSocket(/\/ws$/, (ws) => {
    socket = ws;
    ws.connectToServer().onMessage((frame) => {
      if (hold && String(frame).includes('AVAILABLE')) held.push(frame);
      else ws.send(frame);
    });
  });
  await page.goto(address('hello'));
  await page.waitForSelector('#status[data-status="subscribing"]');
  assert.equal(await text(page, '#status-text'), 'Connecting…');
  while (held.length === 0) await new Promise((resolve) => { setImmediate(resolve); });
  hold = false;
  socket.send(held[0]);
  await isConnected(page);
  assert.equal(await text(page, '#status-text'), 'Connected');
});

test('a channel that is not there can be made from the page', async () => {
  const page = await openPage(address('attic'));
  await page.waitForSelector('#status[data-status="unavailable"]');
  assert.equal(await text(page, '#status-text'), 'Not subscribed');
  assert.equal(await text(page, '#state'), '');
  assert.match(await text(page, '#empty'), /Nothing arrives while/);
  await page.screenshot({ path: path.join(ROOT, 'target/quickstart-missing.png'), fullPage: true, animations: 'disabled' });
  browser.isDown = true; // The browser logs the refusal by itself.
  await page.fill('#field-project-token', 'ptk_wrong');
  await page.click('#maker button');
  await page.waitForFunction(() => /^Not created: /.test(document.getElementById('maker-note').textContent));
  browser.isDown = false;
  await page.fill('#field-project-token', server.token);
  await page.click('#maker button');
  await isConnected(page);
  assert.equal(await page.isVisible('#maker'), false);
  await server.publish('attic', 'FOUND', {});
  await firstMessage(page).waitFor();
});

test('the newest message comes first and 200 are kept', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  await stateShows(page, '{');
  for (let n = 0; n < 220; n += 1) await server.publish('hello', `E${n}`, n);
  await page.waitForFunction(() => document.querySelector('.event')?.textContent === 'E219');
  const events = await page.locator('.event').allInnerTexts();
  assert.deepEqual(events, Array.from({ length: 200 }, (_, index) => `E${219 - index}`));
  assert.equal(await text(page, '#count'), '220');
  await page.click('#clear');
  assert.equal(await page.locator('.message').count(), 0);
});

test('after a crash of the server it reconnects and is live again', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  browser.isDown = true;
  await server.kill();
  await page.waitForSelector('#status[data-status="waiting"], #status[data-status="connecting"]');
  await server.start();
  await isConnected(page);
  browser.isDown = false;
  await server.ok('PUT', '/v1/channels/hello/state', { restarted: true });
  await stateShows(page, 'restarted');
  await server.publish('hello', 'BACK', {});
  await firstMessage(page).waitFor();
});

test('with a storage, a page that is loaded again goes on where it was: each message once', async () => {
  await server.channel('diary', 'public');
  const token = await server.leapToken({}, { channels: ['diary'] });
  const page = await openPage(`${server.base}/`);
  const begin = () => page.evaluate(async ({ project, token }) => {
    const { connect } = await import('/static/warren.js');
    window.heard = [];
    const client = connect({ url: location.origin, project, token, storage: localStorage, retryMinMs: 20 });
    const diary = client.subscribe('diary');
    diary.on('message', ({ data, missed }) => window.heard.push([data, missed]));
    await diary.ready;
  }, { project: server.project, token });
  const hears = (count) => page.waitForFunction((count) => window.heard.length >= count, count);
  await begin();
  for (let n = 0; n < 5; n += 1) await server.publish('diary', 'n', n);
  await hears(5);
  await page.reload();
  for (let n = 5; n < 10; n += 1) await server.publish('diary', 'n', n);
  await begin();
  await hears(5);
  await server.publish('diary', 'n', 10);
  await hears(6);
  assert.deepEqual(await page.evaluate(() => window.heard), [5, 6, 7, 8, 9, 10].map((n) => [n, 0]));
});

test('without a channel it asks for one, and remembers nothing in the query', async () => {
  const page = await openPage(`${server.base}/`);
  await page.fill('[name=project]', server.project);
  await page.fill('[name=channel]', 'hello');
  await page.keyboard.press('Enter');
  await isConnected(page);
  assert.equal(page.url(), address('hello'));
  await page.goto(`${server.base}/?project=${server.project}&channel=hello&token=`);
  await isConnected(page);
  assert.equal(page.url(), address('hello'));
});

test('a public channel needs a token, and watching leaves no lasting subscription behind', async () => {
  await server.channel('den', 'public', { state: { cosy: true } });
  let page = await openPage(address('den'));
  await page.waitForSelector('#trouble:not([hidden])');
  assert.match(await text(page, '#trouble-text'), /not open to visitors without a token/);
  const token = await server.leapToken();
  page = await openPage(address('den', { token }));
  await stateShows(page, 'cosy');
  const { subscriptions } = await server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`);
  assert.deepEqual(subscriptions.filter(({ ephemeral }) => !ephemeral), []);
});

test('a bad token is explained', async () => {
  const page = await openPage(address('hello', { token: 'leap_token_nobody' }));
  await page.waitForSelector('#status[data-status="refused"]');
  assert.match(await text(page, '#trouble-text'), /refused this connection/);
  assert.equal(await text(page, '#state-note'), 'not subscribed');
  assert.equal(await page.isVisible('#maker'), false);
});

for (const colorScheme of ['light', 'dark']) {
  test(`at 360 px, ${colorScheme}, nothing scrolls sideways`, async () => {
    const page = await openPage(address('hello'), { colorScheme, viewport: { width: 360, height: 740 } });
    await isConnected(page);
    await server.publish('hello', 'LONG_NAME_'.repeat(20), { long: 'x'.repeat(500) });
    await firstMessage(page).waitFor();
    assert.equal(await overflow(page), 0);
    await page.goto(`${server.base}/#`);
    await page.waitForSelector('#chooser-form');
    assert.equal(await overflow(page), 0);
  });
}

test('the page and its parts are served with the strict policy and the right types', async () => {
  const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  let total = 0;
  for (const [file, type] of [['/', 'text/html'], ['/static/app.js', 'text/javascript'], ['/static/warren.js', 'text/javascript'], ['/static/style.css', 'text/css'], ['/static/theme.css', 'text/css'], ['/static/theme.js', 'text/javascript'], ['/static/icon.svg', 'image/svg+xml']]) {
    const { status, headers, text: body } = await server.api('GET', file, undefined, { authorization: null });
    assert.equal(status, 200, file);
    assert.ok(headers['content-type'].startsWith(type), `${file}: ${headers['content-type']}`);
    if (file === '/') assert.equal(headers['content-security-policy'], policy);
    total += body.length;
  }
  assert.ok(total < 42_000, `${total} bytes`);
  for (const file of ['nothing.js', '..%2fCargo.toml', '../Cargo.toml']) {
    assert.ok((await server.api('GET', `/static/${file}`)).status >= 400, file);
  }
});
