// Event streams as browsers read them: a real EventSource that comes back by itself.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { read } from '../docs/markdown.mjs';
import { matches } from '../docs/marks.mjs';
import { startBrowser } from './browser.mjs';
import { startServer } from './harness.mjs';
import { Line } from './line.mjs';

const run = promisify(execFile);

let server;
let browser;
let line;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  line = await Line.to(Number(new URL(server.base).port));
});
afterEach(() => browser?.settle());
after(async () => {
  await browser?.close();
  line?.close();
  await server?.remove();
});

/** Opens an EventSource in a page of another origin, whose events land in `heard`. */
const listen = async (parameters) => {
  const page = await browser.open(`${server.base}/health/ready`);
  const url = `http://127.0.0.1:${line.port}/sse?${new URLSearchParams({ project: server.project, ...parameters })}`;
  await page.evaluate((url) => {
    window.heard = [];
    window.source = new EventSource(url);
    for (const name of ['INIT', 'AVAILABLE', 'UNAVAILABLE', 'MESSAGE', 'DIRECT_MESSAGE', 'STATE_UPDATE', 'CLOSE']) {
      source.addEventListener(name, ({ data, lastEventId }) => heard.push({ ...JSON.parse(data), lastEventId }));
    }
  }, url);
  return page;
};
const until = (page, done, argument) => page.waitForFunction(done, argument);
const messages = (page) => page.evaluate(() => heard.filter(({ e }) => e === 'MESSAGE').map(({ d }) => d.d));
const has = (page, count) => until(page, (count) => heard.filter(({ e }) => e === 'MESSAGE').length >= count, count);

test('an EventSource in a page of another origin hears messages and states', async () => {
  await server.channel('news');
  const page = await listen({ channels: 'news' });
  await until(page, () => heard.some(({ e }) => e === 'AVAILABLE'));
  await server.publish('news', 'A', { text: 'two\nlines' });
  await server.ok('PUT', '/v1/channels/news/state', { mood: 'calm' });
  await until(page, () => heard.some(({ e }) => e === 'STATE_UPDATE'));
  const [init, available, message, state] = await page.evaluate(() => heard);
  assert.deepEqual([init.e, available.e, message.e], ['INIT', 'AVAILABLE', 'MESSAGE']);
  assert.deepEqual([message.d, state.d.state], [{ e: 'A', d: { text: 'two\nlines' } }, { mood: 'calm' }]);
  assert.ok(message.lastEventId.includes(`news=${message.s}`), message.lastEventId);
});

test('it comes back by itself and hears what came meanwhile, once and in order, break after break', async () => {
  for (const id of ['one', 'two']) await server.channel(id, 'public');
  const token = await server.leapToken({}, { channels: ['one'] });
  const page = await listen({ channels: 'two', token });
  await until(page, () => heard.some(({ e }) => e === 'AVAILABLE'));
  let said = 0;
  const say = async (count) => {
    for (let i = 0; i < count; i++) await server.publish(said % 2 ? 'one' : 'two', 'N', said++);
  };
  browser.isDown = true;
  for (const how of ['reset', 'fin', 'reset']) {
    await say(4);
    await has(page, said);
    line.break(how);
    await say(6);
    await has(page, said);
  }
  browser.isDown = false;
  await say(2);
  await has(page, said);
  const heard = await messages(page);
  for (const rest of [0, 1]) {
    const line = heard.filter((number) => number % 2 === rest);
    assert.deepEqual(line, Array.from({ length: said / 2 }, (_, i) => 2 * i + rest));
  }
  assert.equal(await page.evaluate(() => heard.some(({ e, d }) => e === 'INIT' && d.resume === 'gap')), false);
});

test('it stops when it is refused, and when its token is deleted', async () => {
  browser.expected.push(/^401 \/sse$/);
  browser.isDown = true;
  const token = await server.leapToken();
  const page = await listen({ token });
  await until(page, () => heard.some(({ e }) => e === 'INIT'));
  await server.ok('DELETE', `/v1/channels/tokens/${token}`);
  await until(page, () => source.readyState === EventSource.CLOSED);
  browser.isDown = false;
  const last = await page.evaluate(() => heard.at(-1));
  assert.deepEqual([last.e, last.d.code], ['CLOSE', 4001]);
});

test('curl -N reads it', async () => {
  await server.channel('shell');
  const url = `${server.base}/sse?project=${server.project}&channels=shell`;
  const reading = run('sh', ['-c', `curl -sN '${url}' | sed '/^event: MESSAGE/q'`]);
  const say = setInterval(() => server.publish('shell', 'A', 1).catch(() => {}), 100);
  const { stdout } = await reading;
  clearInterval(say);
  assert.match(stdout, /^retry: 1000\n: warren\n\nid:\nevent: INIT\ndata: \{/);
  assert.match(stdout, /\nid: shell=[0-9a-f]+-\d+\nevent: MESSAGE\n$/);
});

test('what curl -N shows is what docs/PROTOCOL.md says', async () => {
  const { blocks } = read('docs/PROTOCOL.md');
  const { text } = blocks.find(({ words }) => words.some((word) => word.includes('what curl -N shows')));
  await server.channel('lobby', 'unprotected', { state: { topic: 'tea' } });
  const url = `${server.base}/sse?project=${server.project}&channels=lobby`;
  const reading = spawn('curl', ['-sN', url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let shown = '';
  const seen = (mark) => new Promise((resolve, reject) => {
    const look = () => shown.includes(mark) && shown.endsWith('\n\n') && resolve();
    reading.stdout.on('data', look).once('end', () => reject(new Error(`no ${mark} in\n${shown}`)));
    look();
  });
  reading.stdout.setEncoding('utf8').on('data', (more) => { shown += more; });
  try {
    await seen('event: AVAILABLE');
    await server.publish('lobby', 'GREETING', { text: 'Hi' });
    await seen('event: MESSAGE');
    await server.ok('PATCH', '/v1/channels/lobby/state', { topic: 'coffee' });
    await seen('event: STATE_UPDATE');
  } finally {
    reading.kill();
  }
  assert.ok(matches(text, shown), shown);
});
