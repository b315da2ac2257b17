// A reader's terminal: one shell into which a page's blocks are typed, and everything that it shows.

import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** How long a block may take that is not in the background, and how long what it shows may be waited for. */
const RUN_MS = 180_000;
const SHOW_MS = 60_000;

/** The groups that run. A test that is ended must not leave its servers behind. @type {Set<number>} */
const running = new Set();
process.on('exit', () => running.forEach((pid) => process.kill(-pid, 'SIGKILL')));
process.once('SIGTERM', () => process.exit(143));

export class Terminal {
  #shell;
  #folder;
  #shown = '';
  /** How much of what was shown the page has read already. */
  #read = 0;
  #waiting = new Set();
  #exit = null;
  #count = 0;
  /** What the block that was typed last says at its end. */
  #mark = '';

  /** @param {string} name @param {{cwd: string, env: Record<string, string>, keep: string}} where */
  constructor(name, { cwd, env, keep }) {
    this.name = name;
    this.#folder = keep;
    // A group of its own, so that whatever it has started ends with it.
    this.#shell = spawn('bash', ['--noprofile', '--norc'], { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    running.add(this.#shell.pid);
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.#show(text));
    }
    this.#shell.once('exit', (code) => {
      this.#exit = code ?? -1;
      running.delete(this.#shell.pid);
      this.#show('');
    });
    this.#shell.stdin.on('error', () => {});
    this.#shell.stdin.write('exec 2>&1; set -euo pipefail\n');
  }

  #show(text) {
    this.#shown += text;
    for (const look of [...this.#waiting]) look();
  }

  /** Everything that was shown, for error messages. */
  get shown() {
    return this.#shown.replace(/^\0.*\n/gm, '');
  }

  /** What was shown since the page last read, without the terminal's own marks. */
  get unread() {
    return this.#shown.slice(this.#read).replace(/\0.*\n/g, '');
  }

  /** The page has read it. */
  skip() {
    this.#read = this.#shown.length;
  }

  /**
   * Types a block. Resolves when it has ended, or, in the background, at once.
   * @param {string} text @param {{isBackground?: boolean, exit?: number}} [options]
   */
  async type(text, { isBackground = false, exit = 0 } = {}) {
    this.#count += 1;
    const file = path.join(this.#folder, `${this.name}-${this.#count}.sh`);
    await writeFile(file, text);
    const mark = `\0${this.name}-${this.#count}`;
    const shown = `printf '\\0${this.name}-${this.#count} %s\\n' "$code"`;
    this.skip();
    this.#mark = mark;
    // What goes on running has a keyboard that nobody touches; anything else finds nothing to read.
    const input = isBackground ? '<&3' : '</dev/null';
    // With `set -e` in force where the block is to succeed as a whole, and lifted where it is to fail or to be ended.
    const run = exit === 0 && !isBackground ? `source '${file}' ${input}; code=$?` : `set +e; source '${file}' ${input}; code=$?; set -e`;
    this.#shell.stdin.write(`${run}; ${shown}\n`);
    if (isBackground) return;
    const code = await this.#ended();
    if (code !== exit) throw new Error(`terminal ${this.name}: exit code ${code}, not ${exit}:\n${text}\n--- it showed\n${this.unread}`);
  }

  /** The exit code of the block that was typed last. */
  #ended() {
    return this.#until(() => {
      const at = this.#shown.indexOf(this.#mark);
      const end = this.#shown.indexOf('\n', at);
      return at >= 0 && end >= 0 ? Number(this.#shown.slice(at + this.#mark.length, end)) : undefined;
    }, RUN_MS, 'to end');
  }

  /** Presses Ctrl-C: what runs in the foreground is interrupted, and ends. */
  async interrupt() {
    const children = await readFile(`/proc/${this.#shell.pid}/task/${this.#shell.pid}/children`, 'utf8');
    for (const pid of children.trim().split(' ').filter(Boolean)) process.kill(Number(pid), 'SIGINT');
    await this.#ended();
  }

  /** Waits until what is shown matches. @param {(text: string) => boolean} matches */
  see(matches) {
    return this.#until(() => (matches(this.unread) ? true : undefined), SHOW_MS, 'to show it');
  }

  #until(look, ms, what) {
    return new Promise((resolve, reject) => {
      const end = (settle) => {
        clearTimeout(timer);
        this.#waiting.delete(tryIt);
        settle();
      };
      const fail = (why) => end(() => reject(new Error(`terminal ${this.name}: ${why}\n--- it showed\n${this.unread}`)));
      const tryIt = () => {
        const found = look();
        if (found !== undefined) end(() => resolve(found));
        else if (this.#exit !== null) fail(`the shell ended with ${this.#exit}`);
      };
      const timer = setTimeout(() => fail(`waited ${ms} ms for it ${what}`), ms);
      this.#waiting.add(tryIt);
      tryIt();
    });
  }

  /** Ends the shell and everything that it has started. */
  async close() {
    if (this.#exit !== null) return;
    const ended = new Promise((resolve) => this.#shell.once('exit', resolve));
    process.kill(-this.#shell.pid, 'SIGKILL');
    await ended;
  }
}
