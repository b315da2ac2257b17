// Starts the real server as a child process and talks to it over HTTP.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Inbox } from './inbox.mjs';
import { LeapSocket } from './leap-socket.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINARY = path.resolve(process.env.WARREN_BIN ?? path.join(ROOT, 'target/debug/warren'));
const START_MS = 30_000;

export const PROJECT = 'project_test';
export const PROJECT_TOKEN = `ptk_${'c2VjcmV0LWZvci10ZXN0cw'.repeat(2)}`;
export const ADMIN_TOKEN = `pat_${'YWRtaW4tZm9yLXRlc3Rz'.repeat(2)}`;

/** The processes that run. A test file that dies half-way must not leave its servers behind. */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A server of its own per test file, on a free port, with a data folder that goes with it. */
export async function startServer(env = {}, binary = BINARY) {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'warren-test-'));
  const server = new Server(dataDir, env, binary);
  await server.start();
  return server;
}

class Server {
  project = PROJECT;
  token = PROJECT_TOKEN;
  adminToken = ADMIN_TOKEN;
  /** What the last start printed on stdout, by name. */
  printed = {};
  #env;
  #binary;
  #child = null;
  #exit = null;
  #port = 0;
  #log = [];

  constructor(dataDir, env, binary) {
    this.#binary = binary;
    this.dataDir = dataDir;
    this.#env = env;
  }

  get base() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get wsUrl() {
    return `ws://127.0.0.1:${this.#port}/ws`;
  }

  /** Starts the process and returns once it answers requests. */
  async start() {
    const child = spawn(this.#binary, [], {
      cwd: this.dataDir,
      env: {
        PATH: process.env.PATH,
        // Which of the two ways to the socket the whole suite goes.
        ...(process.env.WARREN_SOCKET && { WARREN_SOCKET: process.env.WARREN_SOCKET }),
        WARREN_LISTEN: `127.0.0.1:${this.#port}`,
        WARREN_DATA: this.dataDir,
        WARREN_PROJECT: PROJECT,
        WARREN_PROJECT_TOKEN: PROJECT_TOKEN,
        WARREN_ADMIN_TOKEN: ADMIN_TOKEN,
        ...this.#env,
      },
    });
    this.#child = child;
    running.add(child);
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    }).finally(() => running.delete(child));
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#log.push(line);
      if (this.#log.length > 200) this.#log.shift();
    });
    this.printed = {};
    const lines = new Inbox();
    createInterface({ input: child.stdout }).on('line', (line) => {
      // The line to paste has no name of its own.
      const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? [null, line.startsWith('curl ') ? 'curl' : line, line];
      this.printed[name] = value;
      lines.push({ name, value });
    });
    const ready = lines.next(({ name }) => name === 'ready', 'the line "ready: …"', START_MS);
    const outcome = await Promise.race([ready, this.#exit]).catch((error) => ({ error }));
    if (outcome.name !== 'ready') {
      ready.catch(() => {});
      child.kill('SIGKILL');
      throw new Error(`${this.#binary} did not start: ${JSON.stringify(outcome.error?.message ?? outcome)}\n${this.log()}`);
    }
    this.#port = Number(new URL(outcome.value).port);
  }

  /** The end of the server's log, for error messages. */
  log() {
    return this.#log.slice(-40).join('\n');
  }

  /** Stops the way an operator would; resolves to the exit code. */
  async stop() {
    const { code } = await this.#end('SIGTERM');
    return code;
  }

  /** Stops without warning, as a crash or a power cut would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Crash and start again on the same port with the same data. */
  async restart() {
    await this.kill();
    await this.start();
  }

  /** For `after`: ends the server and removes its data. */
  async remove() {
    await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async #end(signal) {
    this.#child?.kill(signal);
    const outcome = await this.#exit;
    this.#child = null;
    return outcome ?? {};
  }

  /**
   * One HTTP request with the project's token. The path goes out exactly as given, unlike
   * with `fetch`, which would tidy it up first. A string as body is sent as it is.
   */
  api(method, path, body, headers = {}) {
    const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const defaults = {
      authorization: PROJECT_TOKEN,
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    };
    const all = Object.fromEntries(Object.entries({ ...defaults, ...headers }).filter(([, value]) => value !== null));
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: this.#port, method, path, headers: all, agent: false });
      request.on('error', reject);
      request.on('response', async (response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        let json = null;
        if (/json/.test(response.headers['content-type'] ?? '') && text !== '') json = JSON.parse(text);
        resolve({ status: response.statusCode, headers: response.headers, text, json, data: json?.data, error: json?.error });
      });
      request.end(payload);
    });
  }

  /** Like `api`, but anything except 2xx fails the test; returns the data. */
  async ok(method, path, body, headers) {
    const answer = await this.api(method, path, body, headers);
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}\n${this.log()}`);
    }
    return answer.data;
  }

  /** Creates a channel with the given id. */
  async channel(id, type = 'unprotected', more = {}) {
    const { channel } = await this.ok('PUT', `/v1/channels/${encodeURIComponent(id)}`, { type, state: {}, ...more });
    return channel;
  }

  /** Creates a leap token and returns its id. */
  async leapToken(state = {}, more = {}) {
    const { token } = await this.ok('POST', '/v1/channels/tokens', { state, ...more });
    return token.id;
  }

  publish(channel, event, data) {
    return this.ok('POST', `/v1/channels/${encodeURIComponent(channel)}/messages`, { e: event, d: data });
  }

  /** A raw socket after HELLO; `path` may carry a query. */
  open(path = '/ws', options = {}) {
    return LeapSocket.open(`ws://127.0.0.1:${this.#port}${path}`, options);
  }

  /** A raw socket after INIT; the INIT payload is its `init`. */
  async connect(identify = {}) {
    const socket = await this.open();
    await socket.identify({ project_id: PROJECT, ...identify });
    return socket;
  }
}
