// The quick-start page in a real browser, the way a newcomer meets it: printed link, printed curl line.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HOSTILE, overflow } from './browser.mjs';
import { deskForTests } from './console-pages.mjs';
import { ROOT } from './harness.mjs';

const run = promisify(execFile);

const desk = deskForTests();

const openPage = (url, options) => desk.browser.open(url, options);

/** The page's address for a channel of the test project. */
const address = (channel, more = {}) => `${desk.server.base}/#${new URLSearchParams({ project: desk.server.project, channel, ...more })}`;
const isConnected = (page) => page.waitForSelector('#status[data-status="connected"]');
const firstMessage = (page) => page.locator('.message').first();
const text = (page, selector) => page.locator(selector).first().innerText();
const stateShows = (page, part) => page.waitForFunction((part) => document.getElementById('state').textContent.includes(part), part);

test('the first run prints a link and a curl line that work together', async () => {
  const { page: url, curl, project_token: token } = desk.server.printed;
  assert.match(curl, /^curl -X POST /);
  assert.equal(url, `${desk.server.base}/#project=${desk.server.project}&channel=hello`);
  assert.equal(token, desk.server.token);
  const page = await openPage(url);
  await isConnected(page);
  assert.equal(await text(page, '#status-text'), 'Connected');
  assert.equal(await text(page, '#channel-name'), 'hello');
  await stateShows(page, '{');
  assert.equal(await page.isVisible('#empty'), true);

  await run('sh', ['-c', curl]);
  await firstMessage(page).waitFor();
  assert.equal(await text(page, '.event'), 'greeting');
  assert.deepEqual(JSON.parse(await text(page, '.message .text')), { text: 'Hello, Warren' });
  await page.click('.message summary');
  assert.deepEqual(JSON.parse(await text(page, '.message pre')), { text: 'Hello, Warren' });
  assert.ok(Date.parse(await page.getAttribute('.message time', 'datetime')) > Date.now() - 60_000);
  assert.equal(await page.isVisible('#empty'), false);

  await desk.server.ok('PUT', '/v1/channels/hello/state', { mood: 'calm', visitors: 3 });
  await stateShows(page, 'visitors');
  assert.deepEqual(JSON.parse(await text(page, '#state')), { mood: 'calm', visitors: 3 });
  await page.screenshot({ path: path.join(ROOT, 'target/quickstart.png'), fullPage: true, animations: 'disabled' });
});

test("the page's own commands work once the token is filled in", async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  await page.getByText('The same from a shell').click();
  for (const id of ['#curl-message', '#curl-state']) {
    const command = (await text(page, id)).replace('ptk_…', desk.server.token);
    assert.ok(command.includes(desk.server.token));
    await run('sh', ['-c', command]);
  }
  await firstMessage(page).waitFor();
  await stateShows(page, '"curious"');
});

test('a message is published and the state changed from the page itself; what cannot be is told', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  const publish = page.locator('#publish');
  await publish.getByRole('button').click();
  await publish.getByText('Not done: a project token is needed').waitFor();
  await page.locator('#field-key').fill('ptk_wrong');
  desk.browser.expected = [/^401 /];
  await publish.getByRole('button').click();
  await publish.getByText('Not done: ').waitFor();
  await page.locator('#field-key').fill(desk.server.token);
  await publish.getByLabel('Data').fill('{"n": 12345678901234567890');
  await publish.getByRole('button').click();
  await publish.getByText('Not done: ').waitFor();
  await publish.getByLabel('Event').fill('SAID');
  await publish.getByLabel('Data').fill('{"n": 1}');
  await publish.getByRole('button').click();
  await publish.getByText('Published.').waitFor();
  await page.locator('.event', { hasText: 'SAID' }).waitFor();
  await page.locator('#change').getByLabel('Merge patch').fill('{"mood": "merged"}');
  await page.locator('#change').getByRole('button').click();
  await page.locator('#change').getByText('Changed.').waitFor();
  await stateShows(page, '"merged"');
});

test('many messages are filtered, held back while paused, and exported', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  for (let n = 0; n < 20; n += 1) await desk.server.publish('hello', n % 2 ? 'ODD' : 'EVEN', { n });
  const shown = page.locator('.message:visible');
  await page.waitForFunction(() => document.querySelectorAll('.message').length === 20);
  await page.getByLabel('Filter messages').fill('odd');
  assert.equal(await shown.count(), 10);
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
  const lines = (await readFile(await file.path(), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ e, d }) => [e, d.n]), Array.from({ length: 10 }, (_, n) => ['ODD', 19 - 2 * n]));
  await page.getByLabel('Filter messages').fill('nothing has this');
  await page.getByText('No message has this in it.').waitFor();
  await page.getByLabel('Filter messages').fill('');
  await page.getByRole('button', { name: 'Pause' }).click();
  await desk.server.publish('hello', 'WHILE', {});
  await page.waitForFunction(() => document.getElementById('count').textContent === '21');
  assert.equal(await page.locator('.event', { hasText: 'WHILE' }).count(), 0);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.locator('.event', { hasText: 'WHILE' }).waitFor();
  assert.equal(await shown.count(), 21);
});

test('Copy copies the command', async () => {
  const page = await openPage(address('hello'), { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByText('The same from a shell').click();
  await page.click('[data-copy="curl-message"]');
  await page.waitForSelector('text=Copied');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await text(page, '#curl-message'));
});

test('hostile names and data are shown as text', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  await desk.server.publish('hello', HOSTILE, { [HOSTILE]: HOSTILE });
  await firstMessage(page).waitFor();
  assert.equal(await text(page, '.event'), HOSTILE);
  await page.click('.message summary');
  assert.deepEqual(JSON.parse(await text(page, '.message pre')), { [HOSTILE]: HOSTILE });
  await desk.server.ok('PUT', '/v1/channels/hello/state', { [HOSTILE]: HOSTILE });
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
  desk.browser.isDown = true; // The browser logs the refusal by itself.
  await page.fill('#field-project-token', 'ptk_wrong');
  await page.click('#maker button');
  await page.waitForFunction(() => /^Not created: /.test(document.getElementById('maker-note').textContent));
  desk.browser.isDown = false;
  await page.fill('#field-project-token', desk.server.token);
  await page.click('#maker button');
  await isConnected(page);
  assert.equal(await page.isVisible('#maker'), false);
  await desk.server.publish('attic', 'FOUND', {});
  await firstMessage(page).waitFor();
});

test('the newest message comes first and 200 are kept', async () => {
  const page = await openPage(address('hello'));
  await isConnected(page);
  await stateShows(page, '{');
  for (let n = 0; n < 220; n += 1) await desk.server.publish('hello', `E${n}`, n);
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
  desk.browser.isDown = true;
  await desk.server.kill();
  await page.waitForSelector('#status[data-status="waiting"], #status[data-status="connecting"]');
  await desk.server.start();
  await isConnected(page);
  desk.browser.isDown = false;
  await desk.server.ok('PUT', '/v1/channels/hello/state', { restarted: true });
  await stateShows(page, 'restarted');
  await desk.server.publish('hello', 'BACK', {});
  await firstMessage(page).waitFor();
});

test('with a storage, a page that is loaded again goes on where it was: each message once', async () => {
  await desk.server.channel('diary', 'public');
  const token = await desk.server.leapToken({}, { channels: ['diary'] });
  const page = await openPage(`${desk.server.base}/`);
  const begin = () => page.evaluate(async ({ project, token }) => {
    const { connect } = await import('/static/warren.js');
    window.heard = [];
    const client = connect({ url: location.origin, project, token, storage: localStorage, retryMinMs: 20 });
    const diary = client.subscribe('diary');
    diary.on('message', ({ data, missed }) => window.heard.push([data, missed]));
    await diary.ready;
  }, { project: desk.server.project, token });
  const hears = (count) => page.waitForFunction((count) => window.heard.length >= count, count);
  await begin();
  for (let n = 0; n < 5; n += 1) await desk.server.publish('diary', 'n', n);
  await hears(5);
  await page.reload();
  for (let n = 5; n < 10; n += 1) await desk.server.publish('diary', 'n', n);
  await begin();
  await hears(5);
  await desk.server.publish('diary', 'n', 10);
  await hears(6);
  assert.deepEqual(await page.evaluate(() => window.heard), [5, 6, 7, 8, 9, 10].map((n) => [n, 0]));
});

test('without a channel it asks for one, and remembers nothing in the query', async () => {
  const page = await openPage(`${desk.server.base}/`);
  await page.fill('[name=project]', desk.server.project);
  await page.fill('[name=channel]', 'hello');
  await page.keyboard.press('Enter');
  await isConnected(page);
  assert.equal(page.url(), address('hello'));
  await page.goto(`${desk.server.base}/?project=${desk.server.project}&channel=hello&token=`);
  await isConnected(page);
  assert.equal(page.url(), address('hello'));
});

test('a public channel needs a token, and watching leaves no lasting subscription behind', async () => {
  await desk.server.channel('den', 'public', { state: { cosy: true } });
  let page = await openPage(address('den'));
  await page.waitForSelector('#trouble:not([hidden])');
  assert.match(await text(page, '#trouble-text'), /not open to visitors without a token/);
  const token = await desk.server.leapToken();
  page = await openPage(address('den', { token }));
  await stateShows(page, 'cosy');
  const { subscriptions } = await desk.server.ok('GET', `/v1/channels/tokens/${token}/subscriptions`);
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
    await desk.server.publish('hello', 'LONG_NAME_'.repeat(20), { long: 'x'.repeat(500) });
    await firstMessage(page).waitFor();
    assert.equal(await overflow(page), 0);
    await page.goto(`${desk.server.base}/#`);
    await page.waitForSelector('#chooser-form');
    assert.equal(await overflow(page), 0);
  });
}

test('the page and its parts are served with the strict policy and the right types', async () => {
  const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  let total = 0;
  for (const [file, type] of [['/', 'text/html'], ['/static/app.js', 'text/javascript'], ['/static/json_text.js', 'text/javascript'], ['/static/messages.js', 'text/javascript'], ['/static/warren.js', 'text/javascript'], ['/static/style.css', 'text/css'], ['/static/theme.css', 'text/css'], ['/static/theme.js', 'text/javascript'], ['/static/icon.svg', 'image/svg+xml']]) {
    const { status, headers, text: body } = await desk.server.api('GET', file, undefined, { authorization: null });
    assert.equal(status, 200, file);
    assert.ok(headers['content-type'].startsWith(type), `${file}: ${headers['content-type']}`);
    if (file === '/') assert.equal(headers['content-security-policy'], policy);
    total += body.length;
  }
  assert.ok(total < 52_000, `${total} bytes`);
  for (const file of ['nothing.js', '..%2fCargo.toml', '../Cargo.toml']) {
    assert.ok((await desk.server.api('GET', `/static/${file}`)).status >= 400, file);
  }
});
