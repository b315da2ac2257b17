// Carries out the scenarios of clients/scenarios with the client of clients/js; its README says what each step means.

import assert from 'node:assert/strict';
import { PROJECT } from './harness.mjs';
import { poll, until } from './inbox.mjs';
import { Line } from './line.mjs';
import { connect, FAST, recorded } from './warren-client.mjs';

/** The numbers of a step. */
const numbers = ({ from, count }) => Array.from({ length: count }, (_, index) => from + index);

/** A client, its line, and what it delivered. */
class Peer {
  #inboxes = new Map();
  #inits = 0;
  /** How many times it was connected when its line was broken. */
  #mark = 0;
  /** What it was told to do and nobody has waited for. */
  pending = [];

  constructor(line, token) {
    this.line = line;
    this.client = connect({ url: `ws://127.0.0.1:${line.port}/ws`, project: PROJECT, token, ...FAST });
    this.client.on('init', () => { this.#inits += 1; });
    this.#record('', this.client.direct);
    // What is given with INIT has its first messages right behind it.
    this.client.on('channel', ({ channel }) => this.#record(channel.id, channel));
  }

  #record(name, line) {
    const known = this.#inboxes.get(name);
    if (known?.line === line) return;
    this.#inboxes.set(name, { line, inbox: recorded(line, 'message', 'gap') });
  }

  /** Messages and gaps of a channel, or without one direct ones. */
  inbox(channel = '') {
    return this.#inboxes.get(channel).inbox;
  }

  subscribe(channel, options) {
    return this.client.subscribe(channel, options).ready;
  }

  channel(id) {
    return this.client.channels.get(id);
  }

  get heard() {
    return [...this.client.channels.values()].filter(({ id, status }) => status === 'available' && this.#inboxes.has(id));
  }

  mark() {
    this.#mark = this.#inits;
  }

  connected() {
    const again = () => this.#inits > this.#mark && this.client.status === 'connected';
    return until(again, (check) => this.client.on('init', check), 'another INIT');
  }

  disconnected() {
    return until(() => this.client.status !== 'connected', (check) => this.client.on('status', check), 'the end of the connection');
  }

  close() {
    this.client.close();
    this.line.close();
  }
}

/** Waits for a promise; if the step names an error, for that one. */
async function settled(promise, { fails }) {
  if (!fails) return promise;
  await assert.rejects(promise, ({ code }) => code === fails);
}

export class Stage {
  #server;
  #peers = new Map();
  #tokens = { nobody: 'leap_token_nobody' };

  constructor(server) {
    this.#server = server;
  }

  async run({ channels, tokens = {}, steps }) {
    for (const { id, ...rest } of channels) await this.#server.ok('PUT', `/v1/channels/${id}`, { state: {}, ...rest });
    for (const [name, { channels: given }] of Object.entries(tokens)) {
      this.#tokens[name] = await this.#server.leapToken({}, { channels: given });
    }
    for (const [at, step] of steps.entries()) {
      await this[step.do](step).catch((error) => {
        throw new Error(`step ${at}, ${JSON.stringify(step)}: ${error.message}`, { cause: error });
      });
    }
    await this.#nothingElse();
  }

  /** The very next that everybody hears is what is said now. */
  async #nothingElse() {
    const heard = [...this.#peers.values()].flatMap((peer) => peer.heard.map(({ id }) => ({ peer, id })));
    for (const id of new Set(heard.map(({ id }) => id))) await this.#server.publish(id, 'end', null);
    for (const { peer, id } of heard) {
      const before = await peer.inbox(id).before(({ event }) => event === 'end');
      assert.deepEqual(before, [], `what came of ${id} besides`);
    }
  }

  close() {
    for (const peer of this.#peers.values()) peer.close();
  }

  #peer({ client }) {
    return this.#peers.get(client);
  }

  async connect({ client, token, fails }) {
    const line = await Line.to(new URL(this.#server.base).port);
    const peer = new Peer(line, token && this.#tokens[token]);
    this.#peers.set(client, peer);
    await settled(peer.client.ready, { fails });
  }

  async subscribe(step) {
    const { channel, ephemeral, rewind } = step;
    await settled(this.#peer(step).subscribe(channel, { ephemeral, rewind }), step);
  }

  async unsubscribe(step) {
    this.#peer(step).client.unsubscribe(step.channel);
  }

  async publish(step) {
    for (const number of numbers(step)) await this.#server.publish(step.channel, 'n', number);
  }

  async direct(step) {
    const path = `/v1/channels/tokens/${this.#tokens[step.token]}/messages`;
    for (const number of numbers(step)) {
      await this.#server.ok('POST', path, { e: 'n', d: number, ttl: step.ttl });
    }
  }

  async hear(step) {
    const inbox = this.#peer(step).inbox(step.channel);
    let isGap = false;
    for (const number of numbers(step)) {
      let next = await inbox.next(() => true, `message ${number}`);
      while (next.name === 'gap') {
        isGap = true;
        next = await inbox.next(() => true, `message ${number}`);
      }
      assert.deepEqual([next.event, next.data], ['n', number]);
      assert.equal(next.missed, isGap && number === step.from ? null : 0, `missed before ${number}`);
    }
    assert.equal(isGap, Boolean(step.gap), 'whether a gap was told');
  }

  async send(step) {
    const channel = this.#peer(step).channel(step.channel);
    await this.#done(step, numbers(step).map((number) => channel.publish('n', number)));
  }

  async set(step) {
    await settled(this.#peer(step).channel(step.channel).setState(step.state), step);
  }

  async add(step) {
    const channel = this.#peer(step).channel(step.channel);
    const all = async () => {
      for (let n = 0; n < step.times; n += 1) {
        await channel.setState((state) => ({ ...state, [step.key]: state[step.key] + 1 }));
      }
    };
    await this.#done(step, [all()]);
  }

  async #done(step, promises) {
    if (step.wait === false) this.#peer(step).pending.push(...promises);
    else for (const promise of promises) await settled(promise, step);
  }

  async sent(step) {
    const { pending } = this.#peer(step);
    await Promise.all(pending.splice(0));
  }

  async put({ channel, state }) {
    await this.#server.ok('PUT', `/v1/channels/${channel}/state`, state);
  }

  async see(step) {
    const channel = this.#peer(step).channel(step.channel);
    const wanted = JSON.stringify(step.state);
    const isShown = () => JSON.stringify(channel.state) === wanted;
    await until(isShown, (check) => channel.on('state', check), `${wanted} (shown: ${JSON.stringify(channel.state)})`);
  }

  async break(step) {
    this.#peer(step).mark();
    this.#peer(step).line.break(step.how);
  }

  async down(step) {
    this.#peer(step).line.down(true);
  }

  async up(step) {
    this.#peer(step).line.down(false);
  }

  connected(step) {
    return this.#peer(step).connected();
  }

  disconnected(step) {
    return this.#peer(step).disconnected();
  }

  async kill() {
    for (const peer of this.#peers.values()) peer.mark();
    await this.#server.kill();
  }

  async stop() {
    for (const peer of this.#peers.values()) peer.mark();
    await this.#server.stop();
  }

  start() {
    return this.#server.start();
  }

  async unheld({ token, channel }) {
    const id = this.#tokens[token];
    const holders = async () => (await this.#server.ok('GET', `/v1/channels/${channel}/tokens`)).tokens;
    await poll(async () => !(await holders()).some((one) => one.id === id), 'the subscription to end');
  }
}
