// Where a page's blocks are run: a folder, a home, free ports in the place of those that the page names, and the programs that
// it calls.

import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from './markdown.mjs';
import { Terminal } from './terminal.mjs';

const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');
export const BINARY = path.resolve(process.env.WARREN_BIN ?? path.join(TARGET, 'debug/warren'));
/** Programs that pages call and that are built or installed before, by the name that pages call them by. */
const PROGRAMS = { warren: BINARY };
/** Where Python and its packages are, which `python.sh` installs. */
const PYTHON = path.join(TARGET, 'docs-python/bin');
/** Addresses of this machine that a page names; nothing here listens for others. */
const ADDRESS = /\b(127\.0\.0\.1|localhost|0\.0\.0\.0):(\d{4,5})\b/g;
/** Folders of a machine that serves, which are below the page's own here. */
const SYSTEM = /(?<![\w.])\/(var\/lib|backup)(?=\/)/g;

export class World {
  #root;
  #ports = new Map();
  #terminals = new Map();

  /** @param {string} page the whole text, in whose addresses the ports stand */
  static async create(page) {
    const world = new World();
    world.#root = await mkdtemp(path.join(tmpdir(), 'warren-docs-'));
    for (const name of ['home', 'bin', 'work', 'shell', 'system/var/lib', 'system/backup']) await mkdir(path.join(world.#root, name), { recursive: true });
    for (const [name, file] of Object.entries(PROGRAMS)) await symlink(file, path.join(world.#root, 'bin', name));
    await world.#packages();
    for (const [, , port] of page.matchAll(ADDRESS)) {
      if (!world.#ports.has(port)) world.#ports.set(port, await freePort());
    }
    return world;
  }

  /** The packages that `npm ci` has brought, and Warren's own, as `npm install` would lay them down. */
  async #packages() {
    const into = path.join(this.#root, 'work/node_modules');
    await mkdir(path.join(into, '@onehop'), { recursive: true });
    const from = path.join(ROOT, 'tests/clients/node_modules');
    for (const name of ['.bin', 'ws', 'react', 'react-dom', 'esbuild', '@onehop/js', '@onehop/client', '@onehop/react', '@onehop/leap-edge-js']) {
      await symlink(path.join(from, name), path.join(into, name));
    }
    await cp(path.join(ROOT, 'clients/js'), path.join(into, 'warren-client'), { recursive: true });
  }

  /** The folder that the page is in. */
  get folder() {
    return path.join(this.#root, 'work');
  }

  /** A text of the page, as it is here. */
  here(text) {
    // The number also stands alone, where a program of the page listens.
    let moved = text.replaceAll('0.0.0.0:', '127.0.0.1:');
    for (const [port, real] of this.#ports) moved = moved.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), String(real));
    return moved.replace(SYSTEM, `${this.#root}/system/$1`);
  }

  /** What was shown here, as the page says it. */
  there(text) {
    let moved = text.replaceAll(`${this.#root}/system`, '').replaceAll(this.folder, '/work');
    for (const [port, real] of this.#ports) moved = moved.replaceAll(new RegExp(`\\b${real}\\b`, 'g'), port);
    return moved;
  }

  /** A terminal, opened when it is first named. @param {string} name */
  terminal(name) {
    if (!this.#terminals.has(name)) {
      const env = {
        PATH: [path.join(this.#root, 'bin'), PYTHON, process.env.PATH].join(':'),
        HOME: path.join(this.#root, 'home'),
        LANG: 'C.UTF-8',
        TMPDIR: tmpdir(),
        // Below 22 Node has the socket of browsers only when it is asked for.
        ...(Number(process.versions.node.split('.')[0]) < 22 && { NODE_OPTIONS: '--experimental-websocket' }),
        NODE_NO_WARNINGS: '1',
        PYTHONUNBUFFERED: '1',
        REPOSITORY: ROOT,
        // Cargo's own, where a page runs it: with any other of these it would build everything once more.
        ...Object.fromEntries(['CARGO_HOME', 'RUSTUP_HOME', 'CARGO_TARGET_DIR', 'CARGO_INCREMENTAL', 'RUSTFLAGS'].map((key) => [key, process.env[key] ?? default_of(key)]).filter(([, value]) => value)),
        WARREN_LISTEN: this.here('127.0.0.1:8080'),
        ...(process.env.WARREN_SOCKET && { WARREN_SOCKET: process.env.WARREN_SOCKET }),
      };
      this.#terminals.set(name, new Terminal(name, { cwd: this.folder, env, keep: path.join(this.#root, 'shell') }));
    }
    return this.#terminals.get(name);
  }

  /** Writes a file of the page. */
  async write(name, text) {
    const file = path.join(this.folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, this.here(text));
    return file;
  }

  /** What all terminals have shown, for error messages. */
  shown() {
    return [...this.#terminals.values()].map((one) => `\n--- terminal ${one.name}\n${one.shown.slice(-2000)}`).join('');
  }

  async remove() {
    for (const terminal of this.#terminals.values()) await terminal.close();
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** Where cargo is for somebody whose home is another one. */
function default_of(key) {
  const home = process.env.HOME ?? '';
  return { CARGO_HOME: path.join(home, '.cargo'), RUSTUP_HOME: path.join(home, '.rustup') }[key];
}

/** A port that nobody has just now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
