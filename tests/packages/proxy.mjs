// Runs the proxies of deploy/proxies with their files as they are, but for places that belong to a test: ports, paths, names.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from '../clients/harness.mjs';
import { Inbox } from '../clients/inbox.mjs';

const PROGRAMS = process.env.WARREN_PROGRAMS;
const TLS = process.env.WARREN_TLS;
const START_MS = 20_000;

/** Where the proxy calls the server from that sends PROXY headers. */
export const PROXY = '127.0.0.9';

/** The processes that run. A test file that dies half-way must not leave its proxy behind. */
const running = new Set();
process.on('exit', () => running.forEach(end));

/** Ends a proxy at once. nginx cannot end its workers when it is killed; the others would wait for who is connected. */
function end(child) {
  child.kill(child.spawnfile.endsWith('nginx') ? 'SIGTERM' : 'SIGKILL');
}

/**
 * What differs between the proxies. `edits` are pairs of a text in the file and what stands for it in a test; each text has
 * to be there.
 */
const KINDS = {
  'nginx.conf': {
    edits: ({ http, tls, server, folder }) => [
      ['worker_processes auto;', `worker_processes 1; daemon off; pid ${folder}/pid;${user()}`],
      ['worker_rlimit_nofile 131072;', 'worker_rlimit_nofile 1024;'],
      ['worker_connections 65536;', 'worker_connections 256;'],
      ['http {', `http {\n${temporary(folder)}`],
      ['/var/log/nginx/warren.log', `${folder}/access.log`],
      ['/var/log/nginx/error.log', 'stderr'],
      ['listen 80;', `listen 127.0.0.1:${http};`],
      ['listen 443 ssl http2;', `listen 127.0.0.1:${tls} ssl http2;`],
      ['server 127.0.0.1:8080;', `server 127.0.0.1:${server};`],
      ['/etc/ssl/warren/fullchain.pem', `${TLS}/fullchain.pem`],
      ['/etc/ssl/warren/key.pem', `${TLS}/key.pem`],
    ],
    command: ({ file, folder }) => ['usr/sbin/nginx', '-e', 'stderr', '-p', folder, '-c', file],
  },
  'haproxy.cfg': {
    edits: ({ http, ...more }) => [['bind :80', `bind 127.0.0.1:${http}`], ...haproxy(more)],
    command: ({ file }) => ['usr/sbin/haproxy', '-db', '-f', file],
  },
  'haproxy-tcp.cfg': {
    // The tests' own requests come from 127.0.0.1, without a PROXY header.
    edits: (places) => [...haproxy(places), [' send-proxy-v2 ', ` source ${PROXY} send-proxy-v2 `]],
    command: ({ file }) => ['usr/sbin/haproxy', '-db', '-f', file],
  },
  Caddyfile: {
    edits: ({ tls, server }) => [
      ['{\n\tservers {', '{\n\tadmin off\n\tauto_https off\n\tservers {'],
      ['\nrealtime.example.com {', `\nhttps://127.0.0.1:${tls} {\n\ttls ${TLS}/fullchain.pem ${TLS}/key.pem`],
      ['127.0.0.1:8080 {', `127.0.0.1:${server} {`],
    ],
    command: ({ file }) => ['usr/bin/caddy', 'run', '--adapter', 'caddyfile', '--config', file],
  },
};

function haproxy({ tls, server }) {
  return [
    ['maxconn 60000', 'maxconn 100'],
    ['bind :443', `bind 127.0.0.1:${tls}`],
    ['/etc/ssl/warren/bundle.pem', `${TLS}/bundle.pem`],
    [' 127.0.0.1:8080 ', ` 127.0.0.1:${server} `],
  ];
}

/** Workers of nginx started by root give up root for a user who cannot read a test's folder. */
function user() {
  return process.getuid() === 0 ? ' user root;' : '';
}

/** Where nginx puts bodies that it does not pass on at once. */
function temporary(folder) {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
}

/** The file of that proxy, as it is. */
export function configuration(name) {
  return readFile(path.join(ROOT, 'deploy/proxies', name), 'utf8');
}

/** Starts a proxy in front of a server on that port; it is ready when the server's readiness comes through it. */
export async function startProxy(name, serverPort) {
  const folder = await mkdtemp(path.join(tmpdir(), 'warren-proxy-'));
  const places = { http: await freePort(), tls: await freePort(), server: serverPort, folder };
  const kind = KINDS[name];
  let text = await configuration(name);
  for (const [from, to] of kind.edits(places)) {
    if (!text.includes(from)) throw new Error(`${name} has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  const file = path.join(folder, name);
  await writeFile(file, text);
  const proxy = new Proxy(name, places);
  try {
    await proxy.run(kind.command({ file, folder }));
  } catch (error) {
    await proxy.remove();
    throw error;
  }
  return proxy;
}

class Proxy {
  #child;
  #log = '';

  constructor(name, places) {
    this.name = name;
    this.places = places;
  }

  get base() {
    return `https://127.0.0.1:${this.places.tls}`;
  }

  get wsUrl() {
    return `wss://127.0.0.1:${this.places.tls}/ws`;
  }

  async run([program, ...args]) {
    const { folder } = this.places;
    const child = spawn(path.join(PROGRAMS, program), args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, LD_LIBRARY_PATH: process.env.WARREN_PROGRAMS_LIBRARIES },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    for (const out of [child.stdout, child.stderr]) out.on('data', (bytes) => { this.#log += bytes; });
    const latest = performance.now() + START_MS;
    for (;;) {
      const answer = await this.request('GET', '/health/ready').catch((error) => error);
      if (answer.status === 200) return;
      if (child.exitCode !== null || performance.now() > latest) {
        throw new Error(`${this.name} did not start: ${answer.message ?? answer.status}\n${this.#log}`);
      }
      await delay(50);
    }
  }

  /** A request through the proxy, from another address of this machine than the proxy's own. */
  request(method, url, { body, headers = {}, localAddress = '127.0.0.5' } = {}) {
    return new Promise((resolve, reject) => {
      const request = https.request(`${this.base}${url}`, { method, headers, localAddress, agent: false });
      request.on('error', reject);
      request.on('response', async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
      request.end(body);
    });
  }

  /** An event stream through the proxy: `{event, data}` of each event, as they come. */
  stream(url) {
    return new Promise((resolve, reject) => {
      const request = https.get(`${this.base}${url}`, { agent: false });
      request.on('error', reject);
      request.on('response', (response) => {
        const events = new Inbox();
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          const whole = (text + chunk).split('\n\n');
          text = whole.pop();
          for (const [event, data] of whole.map(fields).filter(([event]) => event)) events.push({ event, data });
        });
        resolve({ status: response.statusCode, events, end: () => request.destroy() });
      });
    });
  }

  /** Ends the proxy and removes its folder. */
  async remove() {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit');
      end(this.#child);
      await ended;
    }
    await rm(this.places.folder, { recursive: true, force: true });
  }
}

/** The name and the data of an event in a stream; comments have neither. */
function fields(text) {
  const field = (name) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(text)?.[1];
  return [field('event'), field('data') && JSON.parse(field('data'))];
}

/** A port that nobody listens on. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
