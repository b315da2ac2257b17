// What the first line of a block of code says about how it is run. `docs/testing.md` has the table for people who write pages.

/** What a block may be, by its first mark. */
const KINDS = ['run', 'background', 'interrupt', 'output', 'file', 'part', 'frames', 'by', 'skip'];
/** What is known of a language without a mark. */
const BY_LANGUAGE = { json: { kind: 'json' }, toml: { kind: 'toml' }, no_run: { kind: 'by', value: 'cargo test --doc' } };

/**
 * @typedef {object} Mark
 * @property {string} kind
 * @property {string} [value] what stands behind its `=`
 * @property {string} terminal
 * @property {number} exit
 * @property {string} [until] what is waited for in the background
 */

/**
 * @param {import('./markdown.mjs').Block} block
 * @returns {Mark}
 */
export function markOf({ language, words }) {
  const mark = { terminal: 'main', exit: 0 };
  for (const word of words) {
    const [name, value] = split(word);
    if (KINDS.includes(name)) {
      if (mark.kind) throw new Error(`both ${mark.kind} and ${name}`);
      Object.assign(mark, { kind: name, value });
    } else if (name === 'terminal' && value) mark.terminal = value;
    else if (name === 'until' && value) mark.until = value;
    else if (name === 'exit' && Number.isInteger(Number(value))) mark.exit = Number(value);
    else throw new Error(`no mark: ${word}`);
  }
  if (!mark.kind) Object.assign(mark, BY_LANGUAGE[language] ?? {});
  if (!mark.kind) throw new Error('no mark says how it is run');
  const needsValue = ['file', 'part', 'by', 'skip'].includes(mark.kind);
  if (needsValue && !mark.value) throw new Error(`${mark.kind} of what?`);
  if (mark.kind === 'skip' && mark.value.length < 15) throw new Error('skip needs a reason');
  if (['run', 'background'].includes(mark.kind) && language !== 'sh') throw new Error(`only sh is run, not ${language}`);
  if (mark.kind === 'output' && language !== 'text') throw new Error('output is text');
  return mark;
}

function split(word) {
  const at = word.indexOf('=');
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

/**
 * Whether a text is what a page shows. `…` stands for any characters of a line, and on a line of its own for any lines.
 * @param {string} shown by the page @param {string} real
 */
export function matches(shown, real) {
  const source = shown.trimEnd().split('\n').map((line) => {
    if (line.trim() === '…') return '(?:[^\\n]*\\n)*?';
    return `${line.trimEnd().split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\n]*?')}[ \\t]*\\n`;
  });
  const tail = shown.trimEnd().endsWith('\n…') || shown.trim() === '…' ? '[\\s\\S]*' : '';
  // What was read before may have ended right before its line did.
  return new RegExp(`^${source.join('')}${tail}$`).test(`${real.replace(/^\n/, '').trimEnd()}\n`);
}
