// Goes through a page as its reader does: types what it says to type, writes the files that it shows, and looks whether what it
// says is shown.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { markOf, matches } from './marks.mjs';
import { read, ROOT } from './markdown.mjs';
import { prove } from './proofs.mjs';
import { conversation } from './transcript.mjs';
import { BINARY, World } from './world.mjs';

const run = promisify(execFile);

/** @typedef {{file: string, line: number, info: string, reason: string}} Left a block that is not run here, and why */

/**
 * Runs the blocks of a page.
 * @param {string} file from the repository's root
 * @returns {Promise<{ran: number, left: Left[]}>}
 */
export async function walk(file) {
  const { blocks } = read(file);
  const world = await World.create(`127.0.0.1:8080\n${blocks.map(({ text }) => text).join('')}`);
  const left = [];
  try {
    for (const block of blocks) {
      const where = `${file}:${block.line}`;
      try {
        const reason = await one(block, world);
        if (reason) left.push({ file, line: block.line, info: block.language, reason });
      } catch (error) {
        error.message = `${where} (${block.info}): ${error.message}`;
        throw error;
      }
    }
    await look(file, world);
  } catch (error) {
    error.message += world.shown();
    throw error;
  } finally {
    await world.remove();
  }
  return { ran: blocks.length - left.length, left };
}

/** What a page's reader does in a browser stands in a file of its own. @param {string} file @param {World} world */
async function look(file, world) {
  const more = new URL(`./eyes/${path.basename(file, '.md')}.mjs`, import.meta.url);
  if (!file.startsWith('docs/tutorials/') || !existsSync(more)) return;
  const { look: see } = await import(more);
  await see(world);
}

/**
 * One block; the reason if it is not run here.
 * @param {import('./markdown.mjs').Block} block @param {World} world
 */
async function one(block, world) {
  const mark = markOf(block);
  const terminal = () => world.terminal(mark.terminal);
  switch (mark.kind) {
    case 'run':
      await terminal().type(world.here(block.text), { exit: mark.exit });
      return null;
    case 'background':
      await terminal().type(world.here(block.text), { isBackground: true });
      if (mark.until) await terminal().see((text) => text.includes(mark.until));
      return null;
    case 'interrupt':
      await terminal().interrupt();
      return null;
    case 'output': {
      const is = (text) => matches(block.text, world.there(text));
      const shell = terminal();
      await shell.see(is).catch((error) => {
        throw new Error(`${error.message}\n--- the page says\n${block.text}`);
      });
      shell.skip();
      return null;
    }
    case 'file':
      await world.write(mark.value, block.text);
      return null;
    case 'json':
      JSON.parse(block.text);
      return null;
    case 'toml':
      await run(BINARY, ['config', 'check', '--config', await world.write('page.toml', block.text)], { cwd: world.folder, env: { PATH: process.env.PATH } });
      return null;
    case 'part':
      if (!flat(readFileSync(path.join(ROOT, mark.value), 'utf8')).includes(flat(block.text))) throw new Error(`${mark.value} does not have these lines`);
      return null;
    case 'frames':
      await conversation(block.text);
      return null;
    case 'by':
      prove(mark.value);
      return `by ${mark.value}`;
    case 'skip':
      return mark.value;
    default:
      throw new Error(`nobody runs ${mark.kind}`);
  }
}

/** Lines as they are, however far they stand to the right. @param {string} text */
const flat = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean).join('\n');
