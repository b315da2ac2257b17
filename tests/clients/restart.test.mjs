// Many of the official browser library's sockets over restarts: they come back at once, whatever they are told, are let in at
// the rate, and miss nothing that was answered. WARREN_CLIENTS=… and WARREN_RATE=… try another crowd.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startServer } from './harness.mjs';
import { stopLeap } from './hop-client.mjs';
import { captureConsole, poll } from './inbox.mjs';

const { LeapEdgeClient } = createRequire(import.meta.url)('@onehop/leap-edge-js');

const CLIENTS = Number(process.env.WARREN_CLIENTS ?? 60);
const RATE = Number(process.env.WARREN_RATE ?? 20);

let server;
const clients = [];
/** Numbers that were answered, in their order. */
const answered = [];
let number = 0;

captureConsole();
before(async () => {
  server = await startServer({ WARREN_RECONNECT_RATE: String(RATE), WARREN_LIMITS__ADDRESS_UNIDENTIFIED: '0' });
  await server.channel('room');
  for (let n = 0; n < CLIENTS; n += 1) clients.push(await connect());
  await poll(() => clients.every(({ inits }) => inits === 1), 'all to be connected');
});
after(async () => {
  clients.forEach(({ leap }) => stopLeap(leap));
  await server?.remove();
});

/** A client of a token that hears the room. */
async function connect() {
  const token = await server.leapToken({}, { channels: ['room'] });
  const leap = new LeapEdgeClient({ projectId: server.project, token }, { socketUrl: server.wsUrl });
  const client = { leap, inits: 0, heard: [] };
  leap.on('serviceEvent', ({ eventType, data }) => {
    if (eventType === 'INIT') client.inits += 1;
    if (eventType === 'MESSAGE') client.heard.push(data.d);
  });
  leap.connect();
  return client;
}

/** Publishes the next number; whether it was answered. */
async function publish() {
  number += 1;
  const mine = number;
  try {
    await server.publish('room', 'N', mine);
    answered.push(mine);
    return mine;
  } catch {
    return null;
  }
}

/** Publishes until all clients have been connected anew, and watches how fast they come. */
async function until(init) {
  const looks = [];
  await poll(async () => {
    await publish();
    const asked = performance.now();
    const { text } = await server.api('GET', '/metrics', undefined, { authorization: server.adminToken });
    const opened = Number(/^warren_connections_opened_total (\d+)$/m.exec(text)[1]);
    looks.push({ asked, then: performance.now(), opened });
    return clients.every(({ inits }) => inits >= init);
  }, `all to be connected ${init} times`);
  // Those between two looks came in the time from before the first to behind the second, and not sooner.
  const rates = looks.flatMap((first, at) => {
    const later = looks.slice(at).find(({ asked }) => asked >= first.then + 1000);
    return later ? [(1000 * (later.opened - first.opened)) / (later.then - first.asked)] : [];
  });
  return Math.max(...rates);
}

/** Asserts that each has heard these numbers, the first time in their order. */
function assertHeard(wanted) {
  for (const { heard } of clients) {
    const first = [...new Set(heard)].filter((number) => wanted.includes(number));
    assert.deepEqual(first, wanted);
  }
}

test('an orderly restart: nothing that was answered is missed, and the rate holds', async () => {
  for (let n = 0; n < 20; n += 1) await publish();
  const last = await Promise.all([publish(), server.stop()]);
  assert.equal(last[1], 0);
  await server.start();
  const peak = await until(2);
  const end = await publish();
  await poll(() => clients.every(({ heard }) => heard.includes(end)), 'the end to be heard');
  assertHeard(answered);
  console.info(`${CLIENTS} clients, ${answered.length} numbers, ${peak.toFixed(1)} a second at the most`);
  assert.ok(peak <= RATE, `${peak} a second`);
});

test('a killed server: nothing that was answered since the next one began is missed, and the rate holds', async () => {
  for (let n = 0; n < 20; n += 1) await publish();
  await server.kill();
  // What was on its way then is promised to nobody.
  const before = answered.length;
  await server.start();
  const peak = await until(3);
  const end = await publish();
  await poll(() => clients.every(({ heard }) => heard.includes(end)), 'the end to be heard');
  assertHeard(answered.slice(before));
  console.info(`${answered.length - before} numbers, ${peak.toFixed(1)} a second at the most`);
  assert.ok(peak <= RATE, `${peak} a second`);
});
