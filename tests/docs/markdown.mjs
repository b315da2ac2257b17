// What the tests read out of a Markdown file: headings with their anchors, links, blocks of code with their marks.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Every Markdown file of the repository, tracked or about to be. */
export function files() {
  const list = execFileSync('git', ['-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: ROOT, encoding: 'utf8' });
  return list.split('\n').filter(Boolean);
}

/** @typedef {{language: string, words: string[], text: string, line: number, info: string}} Block */

/**
 * A file's parts.
 * @param {string} file from the repository's root
 */
export function read(file) {
  return parse(readFileSync(path.join(ROOT, file), 'utf8'));
}

/** @param {string} source */
export function parse(source) {
  /** @type {Block[]} */
  const blocks = [];
  /** The text without what is in blocks, line by line. @type {string[]} */
  const prose = [];
  /** @type {(Block & {fence: string, indent: number}) | null} */
  let open = null;
  for (const [at, line] of source.split('\n').entries()) {
    const [, indent, fence, info] = /^( *)(`{3,})(.*)$/.exec(line) ?? [];
    if (open && fence === open.fence && info.trim() === '') {
      const { fence: _, indent: __, ...block } = open;
      blocks.push({ ...block, text: block.text });
      open = null;
    } else if (open) {
      open.text += `${line.slice(Math.min(open.indent, /^ */.exec(line)[0].length))}\n`;
    } else if (fence) {
      const [language = '', ...words] = words_of(info);
      open = { language, words, text: '', line: at + 1, info: info.trim(), fence, indent: indent.length };
    } else {
      prose.push(line);
      continue;
    }
    prose.push('');
  }
  if (open) throw new Error(`line ${open.line}: this block has no end`);
  return { blocks, prose, anchors: anchors(prose), links: links(prose) };
}

/** The words of an info string; quotes hold several together. @param {string} info */
function words_of(info) {
  return (info.trim().match(/(?:[^\s"]+|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''));
}

/** What a link to a heading names, as GitHub and `build/page.rs` make it. @param {string} heading */
export function slug(heading) {
  const text = heading.replace(/`/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  return text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

/** @param {string[]} prose */
function anchors(prose) {
  const found = new Set();
  const times = new Map();
  for (const line of prose) {
    for (const [, id] of line.matchAll(/<a id="([^"]+)"><\/a>/g)) found.add(id);
    const [, heading] = /^#{1,6} +(.*?) *$/.exec(line) ?? [];
    if (heading === undefined) continue;
    const id = slug(heading);
    const before = times.get(id) ?? 0;
    times.set(id, before + 1);
    found.add(before === 0 ? id : `${id}-${before}`);
  }
  return found;
}

/** The targets of all links, with their lines. @param {string[]} prose */
function links(prose) {
  const text = prose.join('\n').replace(/(`+)[^`]*?\1/g, (code) => code.replace(/[^\n]/g, ' '));
  const found = [...text.matchAll(/\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)/g)];
  const more = [...text.matchAll(/<(https?:[^>\s]+)>/g), ...text.matchAll(/^\[[^\]]+\]: (\S+)/gm)];
  return [...found, ...more].map((match) => ({ target: match[1], line: text.slice(0, match.index).split('\n').length }));
}
