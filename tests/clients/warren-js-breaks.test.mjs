// Warren's own client under load, with lines that are reset, ended and frozen, and a server that is killed: nothing is
// missing that nobody told of, nothing comes twice, and all is in order. One number decides what is broken when:
// WARREN_SEED=… tries another.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from './harness.mjs';
import { poll } from './inbox.mjs';
import { Line } from './line.mjs';
import { connect, FAST } from './warren-client.mjs';

const SEED = Number(process.env.WARREN_SEED ?? 1);
const SECONDS = Number(process.env.WARREN_SECONDS ?? 12);
const CLIENTS = 8;
/** The back end publishes to the first ones, a client to the last. The first keeps its messages. */
const CHANNELS = ['k', 'a', 'b', 'c'];
const [KEPT] = CHANNELS;

/** A generator of numbers from 0 to 1 (mulberry32), the same ones for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Publishes 0, 1, 2, …, so many at once, in order; keeps which of them were answered for. */
class Source {
  answered = new Set();
  #publish;
  #atOnce;
  #underWay = new Set();
  #isOver = false;

  constructor(publish, atOnce) {
    this.#publish = publish;
    this.#atOnce = atOnce;
  }

  async run() {
    for (let number = 0; !this.#isOver; number += 1) {
      const published = this.#publish(number).then(() => this.answered.add(number), () => delay(20));
      this.#underWay.add(published);
      published.finally(() => this.#underWay.delete(published));
      if (this.#underWay.size >= this.#atOnce) await Promise.race(this.#underWay);
      await delay(10);
    }
    await Promise.all(this.#underWay);
  }

  stop() {
    this.#isOver = true;
  }
}

/** What is wrong with what one client heard of one channel. */
function faults(heard, answered) {
  const found = [];
  let last = -1;
  for (const { data, missed } of heard) {
    if (data <= last) found.push(`${data} after ${last}`);
    for (let number = last + 1; number < data; number += 1) {
      if (answered.has(number) && missed === 0) found.push(`${number} is missing before ${data}, and nobody told`);
    }
    last = Math.max(last, data);
  }
  return found;
}

test('what looks for faults finds them', () => {
  const heard = (...numbers) => numbers.map((data) => ({ data, missed: 0 }));
  const answered = new Set([0, 1, 2, 3]);
  assert.deepEqual(faults(heard(0, 1, 2, 3), answered), []);
  assert.deepEqual(faults(heard(0, 1, 1, 2), answered), ['1 after 1']);
  assert.deepEqual(faults(heard(0, 2, 1), answered).length, 2);
  assert.deepEqual(faults(heard(0, 3), answered).length, 2);
  assert.deepEqual(faults([...heard(0), { data: 3, missed: null }], answered), []);
  assert.deepEqual(faults(heard(0, 3), new Set([0, 3])), [], 'nobody promised those in between');
});

test('under load, with broken lines and a killed server, every loss is told and nothing comes twice', { timeout: 120_000 }, async () => {
  const server = await startServer({ WARREN_HEARTBEAT: '1' });
  const chance = random(SEED);
  const lines = [];
  const clients = [];
  const heard = new Map();
  const gaps = new Map();
  /** Who has not heard that it is over. */
  const behind = new Set();
  const tally = { reset: 0, fin: 0, freeze: 0, kill: 0, gap: 0 };
  try {
    for (const channel of CHANNELS) {
      const capabilities = channel === KEPT ? ['HISTORY'] : ['CLIENT_PUBLISH'];
      await server.channel(channel, 'unprotected', { capabilities });
    }
    for (let n = 0; n < CLIENTS; n += 1) {
      const line = await Line.to(new URL(server.base).port);
      lines.push(line);
      // Every other one is anonymous: it subscribes again by itself, from where it was.
      const token = n % 2 === 0 ? await server.leapToken({}, { channels: CHANNELS }) : null;
      const client = connect({ url: `ws://127.0.0.1:${line.port}`, project: server.project, token, ...FAST });
      clients.push(client);
      for (const id of CHANNELS) {
        const channel = client.subscribe(id);
        const key = `client ${n}, channel ${id}`;
        heard.set(key, []);
        gaps.set(key, 0);
        channel.on('gap', () => { gaps.set(key, gaps.get(key) + 1); });
        channel.on('message', (message) => (message.event === 'n' ? heard.get(key).push(message) : behind.delete(key)));
        behind.add(key);
      }
      await Promise.all(CHANNELS.map((id) => client.channels.get(id).ready));
    }
    const [chat] = CHANNELS.slice(-1);
    const speaker = clients[0].channels.get(chat);
    const sources = CHANNELS.map((channel) => (channel === chat
      ? new Source((number) => speaker.publish('n', number), 10)
      : new Source((number) => server.publish(channel, 'n', number), 1)));
    const running = Promise.all(sources.map((source) => source.run()));
    const end = performance.now() + SECONDS * 1000;
    for (let step = 1; performance.now() < end; step += 1) {
      await delay(20 + chance() * 80);
      if (step % 60 === 0) {
        tally.kill += 1;
        await server.restart();
        continue;
      }
      const line = lines[Math.floor(chance() * lines.length)];
      const how = ['reset', 'fin', 'freeze'][Math.floor(chance() * 3)];
      tally[how] += line.count;
      if (chance() < 0.3) {
        line.down();
        setTimeout(() => line.down(false), chance() * 400);
      }
      line.break(how);
    }
    for (const source of sources) source.stop();
    for (const line of lines) line.down(false);
    await running;
    // Said again and again: whoever is just coming back to a server that was killed hears what is said from then on.
    await poll(async () => {
      for (const id of CHANNELS) await server.publish(id, 'end', null);
      await delay(100);
      return behind.size === 0;
    }, 'everybody to hear the end');
    for (const [key, messages] of heard) {
      const { answered } = sources[CHANNELS.indexOf(key.at(-1))];
      assert.deepEqual(faults(messages, answered), [], key);
      // Lines begin anew with the server, and with nothing else here: all other breaks are healed. Where messages are kept
      // that one is too, with a token or without.
      const most = key.at(-1) === KEPT ? 0 : tally.kill;
      assert.ok(gaps.get(key) <= most, `${key}: ${gaps.get(key)} gaps, ${tally.kill} kills`);
      tally.gap += gaps.get(key);
    }
    const count = [...heard.values()].reduce((sum, messages) => sum + messages.length, 0);
    const said = sources.at(-1).answered.size;
    console.log(`seed ${SEED}: ${count} messages heard, ${said} of them said by a client; ${JSON.stringify(tally)}`);
    assert.ok(said > 100);
    assert.ok(count > 1000 && tally.reset && tally.fin && tally.freeze && tally.kill);
  } finally {
    for (const client of clients) client.close();
    for (const line of lines) line.close();
    await server.remove();
  }
});
