// The console's inspector in a real browser: what happens is seen as it happens, filtered, paused, said again, exported.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { HOSTILE } from './browser.mjs';
import { deskForTests, says, visit } from './console-pages.mjs';


const desk = deskForTests({ WARREN_RECORDER_BYTES: '8388608' }, async () => {
  await desk.server.channel('room', 'public', { capabilities: ['CLIENT_PUBLISH'] });
  await desk.server.channel('side', 'unprotected');
});

/** The lines of the list that have this text. */
const lines = (page, text) => page.locator('.lines summary').filter({ hasText: text });

/** The inspector, with an answer that waits for what comes. */
async function inspector(place = 'inspector', options = {}) {
  const page = await desk.signIn('', options);
  const follows = page.waitForRequest((request) => request.url().includes('/inspect?') && request.url().includes('after='));
  await visit(page, place);
  await page.locator('main').getByText('Live', { exact: true }).waitFor();
  await follows;
  return page;
}

test('what was said before is there, what is said comes, and it is opened', async () => {
  await desk.server.publish('room', 'EARLIER', { n: 1 });
  const page = await inspector();
  await says(page, 'The last 5 minutes are kept');
  await lines(page, 'EARLIER').waitFor();
  await desk.server.publish('room', 'GREETING', { text: 'Hello', big: 1 });
  const line = lines(page, 'GREETING');
  await line.waitFor();
  assert.match(await line.innerText(), /Message\s+room\s+GREETING/);
  await line.click();
  const whole = page.locator('.lines details[open]');
  await whole.getByLabel('Data').getByText('"Hello"').waitFor();
  await whole.getByText('receivers').waitFor();
  await whole.getByRole('link', { name: 'room' }).click();
  await page.locator('h1.mono', { hasText: 'room' }).waitFor();
});

test('it is narrowed to a channel, to kinds and by text', async () => {
  const page = await inspector();
  await desk.server.publish('room', 'ONE', 1);
  await desk.server.publish('side', 'TWO', 2);
  await desk.server.ok('PATCH', '/v1/channels/room/state', { topic: 'tea' });
  await lines(page, 'TWO').waitFor();
  await page.getByLabel('Show', { exact: true }).selectOption('channel');
  await page.getByLabel('The channel’s id').fill('room');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'About room' }).waitFor();
  await lines(page, 'ONE').waitFor();
  assert.equal(await lines(page, 'TWO').count(), 0);
  await page.getByRole('button', { name: 'Messages', exact: true }).click();
  await lines(page, 'ONE').waitFor({ state: 'detached' });
  await lines(page, /State\s*room/).first().waitFor();
  await page.getByRole('button', { name: 'Messages', exact: true }).click();
  await lines(page, 'ONE').waitFor();
  await page.getByLabel('Filter entries').fill('tea');
  await lines(page, 'ONE').waitFor({ state: 'detached' });
  await lines(page, 'tea').waitFor();
  await page.getByLabel('Filter entries').fill('nowhere to be found');
  await says(page, 'No entry has this in it.');
});

test('paused, what comes waits and is told; it is cleared and exported', async () => {
  const page = await inspector();
  await lines(page, 'ONE').first().waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await desk.server.publish('room', 'WHILE', { paused: true });
  await page.getByText(/\d+ entr(y waits|ies wait)/).waitFor();
  assert.equal(await lines(page, 'WHILE').count(), 0);
  await page.getByRole('button', { name: 'Pause' }).click();
  await lines(page, 'WHILE').waitFor();
  await page.getByLabel('Filter entries').fill('WHILE');
  await lines(page, 'ONE').first().waitFor({ state: 'detached' });
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export' }).click();
  const saved = (await readFile(await (await saving).path(), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(saved.map(({ kind, event, data, channel }) => [kind, event, data, channel]), [['message', 'WHILE', { paused: true }, 'room']]);
  await page.getByRole('button', { name: 'Clear' }).click();
  await says(page, 'No entry has this in it.');
});

test('what was said is said again, changed, from the publish form', async () => {
  const listener = await desk.server.connect();
  await listener.subscribe('side');
  const page = await inspector();
  await desk.server.publish('side', 'ORDER', { item: 'tea', big: 12 });
  await lines(page, 'ORDER').click();
  await page.getByRole('button', { name: 'Into the publish form' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Event').inputValue(), 'ORDER');
  await dialog.getByLabel('Data').fill('{"item": "coffee"}');
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(await listener.message('ORDER'), { e: 'ORDER', d: { item: 'tea', big: 12 } });
  assert.deepEqual(await listener.message('ORDER'), { e: 'ORDER', d: { item: 'coffee' } });
  await lines(page, 'coffee').waitFor();
  listener.close();
});

test('a token is followed from its own page: frames both ways, and it stands in no address and no export', async () => {
  const token = await desk.server.leapToken({ name: 'Followed' }, { channels: ['room'] });
  const socket = await desk.server.connect({ token });
  const page = await desk.signIn('tokens');
  await page.getByRole('row', { name: 'Followed' }).getByRole('link').click();
  const follows = page.waitForRequest((request) => request.url().includes('after='));
  await page.getByRole('link', { name: 'Inspect', exact: true }).click();
  await page.locator('main').getByText('Live', { exact: true }).waitFor();
  await follows;
  assert.ok(!page.url().includes(token), page.url());
  await lines(page, 'Connected').waitFor();
  socket.dispatch('MESSAGE', 'room', { e: 'FROM CLIENT', d: { n: 7 } });
  await lines(page, 'Frame in').filter({ hasText: 'FROM CLIENT' }).waitFor();
  await lines(page, 'Frame out').filter({ hasText: 'FROM CLIENT' }).waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export' }).click();
  const saved = await readFile(await (await saving).path(), 'utf8');
  assert.ok(saved.includes('FROM CLIENT') && !saved.includes(token));
  const closed = lines(page, 'Ended');
  socket.close();
  await closed.waitFor();
});

test('hostile ids, names and contents are shown as text', async () => {
  await desk.server.channel(`x${HOSTILE.replaceAll('/', '')}`);
  const id = `x${HOSTILE.replaceAll('/', '')}`;
  const page = await inspector();
  await desk.server.ok('POST', `/v1/channels/${encodeURIComponent(id)}/messages`, { e: HOSTILE, d: { [HOSTILE]: HOSTILE } });
  const line = lines(page, 'onerror').first();
  await line.waitFor();
  await line.click();
  await page.locator('.lines details[open]').getByText('window.hacked').first().waitFor();
  await page.getByRole('button', { name: 'Only this channel' }).click();
  await page.getByRole('heading', { name: /^About x<img/ }).waitFor();
  await lines(page, 'onerror').first().waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('without the flags it says which one is missing', async () => {
  const { project_token: weak } = await desk.server.ok('POST', '/v1/projects/@this/tokens', { flags: 2 ** 29 });
  desk.browser.expected = [/^403 /];
  const page = await desk.signIn('inspector', { token: weak.token });
  await says(page, 'This token lacks the permission read_leap_tokens.');
  await says(page, 'Refused');
});

test('the keyboard alone opens an entry, narrows to it and comes back', async () => {
  const page = await inspector();
  await desk.server.publish('side', 'BY KEY', { n: 1 });
  const line = lines(page, 'BY KEY');
  await line.waitFor();
  await line.focus();
  await page.keyboard.press('Enter');
  await page.locator('.lines details[open]').getByLabel('Data').waitFor();
  const only = page.getByRole('button', { name: 'Only this channel' });
  for (let presses = 0; presses < 20 && !(await only.evaluate((one) => one === document.activeElement)); presses += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'About side' }).waitFor();
  await page.getByLabel('Show', { exact: true }).focus();
  await page.keyboard.press('Home');
  await page.getByRole('heading', { name: 'Everything', exact: true }).waitFor();
});
