// The console's channels in a real browser: created, edited by two at once, published to, taken back in time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTILE } from './browser.mjs';
import { card, confirm, deskForTests, says, visit } from './console-pages.mjs';


const desk = deskForTests();

const stateField = (page) => page.getByRole('textbox', { name: 'State' });
const stored = (id) => desk.server.api('GET', `/v1/channels/${id}/state`).then(({ text }) => text);

test('a wrong token is refused, and says so', async () => {
  const page = await desk.browser.open(`${desk.server.base}/console`);
  const field = page.getByLabel('Project token or admin token');
  await field.fill('hello');
  await page.keyboard.press('Enter');
  await says(page, 'A project token begins with ptk_');
  desk.browser.expected = [/^401 /];
  await field.fill('ptk_nobody-has-this-token-at-all');
  await page.keyboard.press('Enter');
  await says(page, 'invalid_auth');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('the token stays in its tab, out of addresses, and goes on signing out', async () => {
  const page = await desk.signIn('channels');
  await page.reload();
  await page.getByRole('heading', { name: 'Channels', exact: true }).waitFor();
  const places = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie, location.href].join());
  assert.ok(!places.includes(desk.server.token), places);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Project token or admin token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('a token that is deleted meanwhile leads back to the way in', async () => {
  const { project_token: token } = await desk.server.ok('POST', '/v1/projects/@this/tokens', { permissions: ['MANAGE_CHANNELS'] });
  desk.browser.expected = [/^401 /, /^403 /, /^404 .*channel-authorizer$/];
  const page = await desk.signIn('channels', { token: token.token });
  await page.getByRole('heading', { name: 'Channels', exact: true }).waitFor();
  await desk.server.ok('DELETE', `/v1/projects/@this/tokens/${token.id}`);
  await visit(page, 'tokens');
  await says(page, 'not valid any more');
});

test('a channel is created, found, changed and deleted', async () => {
  const page = await desk.signIn('channels');
  await page.getByRole('button', { name: 'Create channel' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Id').fill('news room');
  await dialog.getByLabel('Visibility').selectOption('public');
  await dialog.getByLabel('PRESENCE').check();
  await dialog.getByLabel('State', { exact: true }).fill('{"topic": "tea"');
  await says(page, 'Line 1, column 16: a comma or the closing brace is expected.');
  await dialog.getByLabel('State', { exact: true }).fill('{"topic": "tea", "big": 12345678901234567890}');
  await dialog.getByRole('button', { name: 'Create channel' }).click();
  await page.getByRole('heading', { name: 'news room' }).waitFor();
  await says(page, 'public');
  assert.match(await stored('news%20room'), /"state":\{"topic": ?"tea", ?"big": ?12345678901234567890\}/);

  await visit(page, 'channels');
  await page.getByPlaceholder('Search ids').fill('ROOM');
  await page.keyboard.press('Enter');
  await says(page, /Among \d+ channels/);
  await page.getByRole('link', { name: 'news room' }).click();
  await page.getByRole('navigation', { name: 'Parts of the channel' }).getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Visibility', { exact: true }).selectOption('unprotected');
  await page.getByLabel('HISTORY', { exact: false }).first().check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.title').getByText('unprotected').waitFor();
  const { channel } = await desk.server.ok('GET', '/v1/channels/news%20room');
  assert.deepEqual([channel.type, channel.capabilities], ['unprotected', 8 + 16]);

  await page.getByRole('button', { name: 'Delete channel' }).click();
  await confirm(page, 'Delete channel');
  await page.getByRole('heading', { name: 'Channels', exact: true }).waitFor();
  assert.equal((await desk.server.api('GET', '/v1/channels/news%20room')).status, 404);
});

test('what is changed at the very moment when the settings are there is not taken back', async () => {
  await desk.server.channel('hasty', 'public');
  const page = await desk.signIn('channels/hasty');
  await page.getByRole('navigation', { name: 'Parts of the channel' }).waitFor();
  await page.evaluate(() => {
    // Before anything else of the page has had a turn.
    new MutationObserver((_, observer) => {
      const field = document.querySelector('main select');
      if (!field) return;
      observer.disconnect();
      field.value = 'unprotected';
      field.dispatchEvent(new Event('change', { bubbles: true }));
    }).observe(document.getElementById('main'), { childList: true, subtree: true });
  });
  await visit(page, 'channels/hasty/settings');
  await says(page, 'everybody who knows project and channel');
  // Whatever still has to come after drawing has come after two of it.
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))); }));
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.title').getByText('unprotected').waitFor();
  assert.equal((await desk.server.ok('GET', '/v1/channels/hasty')).channel.type, 'unprotected');
});

test('while a channel is being deleted nothing more is asked of it', async () => {
  await desk.server.channel('goner', 'public');
  const page = await desk.signIn('channels/goner/settings');
  await page.clock.install();
  await page.reload();
  const asked = [];
  let release;
  const held = new Promise((resolve) => {
    page.route(/\/v1\/channels\/goner/, async (route) => {
      asked.push(route.request().method());
      if (route.request().method() === 'DELETE') await new Promise((done) => resolve(release = done));
      await route.continue();
    });
  });
  await page.getByRole('button', { name: 'Delete channel' }).click();
  await confirm(page, 'Delete channel');
  await held;
  asked.length = 0;
  await page.clock.runFor(20_000);
  assert.deepEqual(asked, []);
  release();
  await page.getByRole('heading', { name: 'Channels', exact: true }).waitFor();
  assert.deepEqual(asked, []);
});

test('two who edit one state see the conflict, and both changes are kept', async () => {
  await desk.server.channel('board', 'private', { state: { title: 'old', list: [1, 2], count: 1 } });
  const exact = '{"title": "old", "list": [1, 2], "count": 1, "big": 12345678901234567890, "long": 0.10000000000000000001}';
  await desk.server.ok('PUT', '/v1/channels/board/state', exact);
  const [first, second] = [await desk.signIn('channels/board'), await desk.signIn('channels/board')];
  for (const page of [first, second]) await says(page, 'version 2');

  const edit = async (page, from, to) => stateField(page).fill((await stateField(page).inputValue()).replace(from, to));
  await edit(first, '"old"', '"first"');
  await edit(second, '"count": 1', '"count": 2');
  await first.getByRole('button', { name: 'Save' }).click();
  await says(first, 'Saved as version 3');

  // The second one is told before saving: the notice comes by itself, and names what the other did.
  const conflict = second.locator('#conflict');
  await conflict.getByText('Version 3 is in force now; you began with version 2.').waitFor();
  assert.match(await conflict.innerText(), /title[\s\S]*"old"[\s\S]*"first"/);
  desk.browser.expected = [/^412 .*board\/state$/];
  await second.getByRole('button', { name: 'Save' }).click();
  await says(second, 'Not saved: somebody else changed the state meanwhile.');
  await second.getByRole('button', { name: 'Put my changes on top' }).click();
  await conflict.waitFor({ state: 'detached' });
  assert.match(await card(second, 'What will change').innerText(), /count[\s\S]*1[\s\S]*2/);
  await second.getByRole('button', { name: 'Save' }).click();
  await says(second, 'Saved as version 4');
  const text = await stored('board');
  for (const part of ['"first"', '"count": 2', '12345678901234567890', '0.10000000000000000001']) assert.ok(text.includes(part), `${part} in ${text}`);
  // Who only looks sees it, too.
  await says(first, 'version 4');
});

test('a change that overwrites somebody else’s is named before it is saved', async () => {
  await desk.server.channel('clash', 'private', { state: { who: 'nobody' } });
  const page = await desk.signIn('channels/clash');
  await stateField(page).fill('{"who": "me"}');
  await desk.server.ok('PUT', '/v1/channels/clash/state', { who: 'them' });
  await page.getByRole('button', { name: 'Put my changes on top' }).click();
  await says(page, 'These overwrite what somebody else changed: who');
});

test('patches show what they will make, and are sent as what they are', async () => {
  await desk.server.channel('patched', 'private', { state: { a: { x: 1, y: 2 }, b: 1 } });
  const page = await desk.signIn('channels/patched');
  await page.getByRole('button', { name: 'Merge patch' }).click();
  await page.getByRole('textbox', { name: 'Patch' }).fill('{"a": {"x": null}, "c": 3}');
  const preview = card(page, 'What will change');
  assert.deepEqual((await preview.locator('li').allInnerTexts()).map((line) => line.split('\n')[0]), ['a.x', 'c']);
  await page.getByRole('button', { name: 'Save' }).click();
  await says(page, 'Saved as version 2');
  await page.getByRole('button', { name: 'Shallow patch' }).click();
  await page.getByRole('textbox', { name: 'Patch' }).fill('{"a": {"x": null}}');
  await page.getByRole('button', { name: 'Save' }).click();
  await says(page, 'Saved as version 3');
  const { state } = await desk.server.ok('GET', '/v1/channels/patched/state');
  assert.deepEqual(state, { a: { x: null }, b: 1, c: 3 });
});

test('the slider goes through the kept versions, and one of them comes back', async () => {
  await desk.server.channel('diary', 'private', { state: { day: 0 } });
  const page = await desk.signIn('channels/diary/versions');
  await page.getByRole('button', { name: 'Keep versions from now on' }).click();
  await confirm(page, 'Keep versions');
  await page.getByRole('slider', { name: 'Version' }).waitFor();
  for (let day = 1; day <= 4; day += 1) await desk.server.ok('PUT', '/v1/channels/diary/state', { day });
  await page.getByRole('heading', { name: 'Version 5' }).waitFor();
  const slider = page.getByRole('slider', { name: 'Version' });
  await slider.focus();
  await page.keyboard.press('Home');
  await page.getByRole('heading', { name: 'Version 1' }).waitFor();
  await page.getByLabel('State of version 1').getByText('0').waitFor();
  await page.keyboard.press('ArrowRight');
  await page.getByLabel('State of version 2').waitFor();
  assert.match(await card(page, 'What it changed').innerText(), /day[\s\S]*0[\s\S]*1/);
  await page.getByRole('button', { name: 'Restore this version' }).click();
  await confirm(page, 'Restore');
  await page.getByRole('heading', { name: 'Version 6' }).waitFor();
  assert.deepEqual((await desk.server.ok('GET', '/v1/channels/diary/state')).state, { day: 1 });
});

test('what is published is heard, filtered, paused, kept and deleted', async () => {
  await desk.server.channel('radio', 'private', { capabilities: ['HISTORY'] });
  const page = await desk.signIn('channels/radio/messages');
  await page.getByRole('button', { name: 'Listen' }).click();
  const live = card(page, 'Live');
  await live.getByText('Live', { exact: true }).last().waitFor();
  await page.getByLabel('Event').fill('GREETING');
  await page.getByLabel('Data').fill('{"n": 1}');
  await page.getByRole('button', { name: 'Publish' }).click();
  await says(page, 'Published to radio');
  await live.locator('summary', { hasText: 'GREETING' }).waitFor();
  await card(page, 'Kept').locator('summary', { hasText: 'GREETING' }).waitFor();

  await desk.server.publish('radio', 'OTHER', { n: 2 });
  await live.locator('summary', { hasText: 'OTHER' }).waitFor();
  await live.getByLabel('Filter messages').fill('greet');
  await says(page, '1 of 2 messages');
  await live.getByLabel('Filter messages').fill('');
  await live.getByRole('button', { name: 'Pause' }).click();
  await desk.server.publish('radio', 'WHILE', 3);
  await card(page, 'Kept').locator('summary', { hasText: 'WHILE' }).waitFor();
  assert.equal(await live.locator('summary', { hasText: 'WHILE' }).count(), 0);
  await live.getByRole('button', { name: 'Pause' }).click();
  await live.locator('summary', { hasText: 'WHILE' }).waitFor();

  await live.locator('summary', { hasText: 'OTHER' }).click();
  await live.getByRole('button', { name: 'Into the form' }).click();
  assert.equal(await page.getByLabel('Event').inputValue(), 'OTHER');
  const [file] = await Promise.all([page.waitForEvent('download'), live.getByRole('button', { name: 'Export' }).click()]);
  assert.equal(file.suggestedFilename(), 'radio.ndjson');

  await page.getByRole('button', { name: 'Delete all' }).click();
  await confirm(page, 'Delete all');
  await says(page, 'No message is kept.');
});

test('looking at a channel subscribes to nothing', async () => {
  await desk.server.channel('quiet', 'public', { capabilities: ['EPHEMERAL', 'HISTORY', 'STATE_HISTORY', 'PRESENCE'] });
  const page = await desk.signIn('channels/quiet');
  for (const part of ['state', 'versions', 'messages', 'people', 'settings']) {
    await visit(page, `channels/quiet/${part}`);
    await page.locator(`.tabs a[aria-current]`, { hasText: { people: 'Subscribers' }[part] ?? new RegExp(part, 'i') }).waitFor();
  }
  assert.equal((await desk.server.ok('GET', '/v1/channels/quiet/stats')).online_count, 0);
  assert.deepEqual((await desk.server.ok('GET', '/v1/channels/quiet/connections')).connections, []);
});

test('hostile ids, names, states and messages are shown as text', async () => {
  const id = HOSTILE.replaceAll('/', '').replaceAll('?', '');
  await desk.server.channel(id, 'private', { state: { [HOSTILE]: HOSTILE }, capabilities: ['HISTORY', 'STATE_HISTORY'] });
  await desk.server.ok('PUT', `/v1/channels/${encodeURIComponent(id)}/state`, { [HOSTILE]: [HOSTILE] });
  await desk.server.publish(id, HOSTILE, { [HOSTILE]: HOSTILE });
  const page = await desk.signIn('channels');
  await page.getByRole('link', { name: id }).click();
  await page.getByRole('heading', { name: id }).waitFor();
  await page.locator('pre.json', { hasText: 'onerror' }).waitFor();
  await visit(page, `channels/${encodeURIComponent(id)}/versions`);
  await page.locator('.changes', { hasText: 'onerror' }).waitFor();
  await visit(page, `channels/${encodeURIComponent(id)}/messages`);
  await page.locator('summary', { hasText: 'onerror' }).click();
  await page.locator('.lines pre', { hasText: 'onerror' }).waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('main img, main script').count(), 0);
});
