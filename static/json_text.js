/** JSON on the quick-start page, one coloured span per token. What came over the network reaches it as text, never as markup. */

/** Longer JSON is cut for display: laying out megabytes would freeze the tab. */
const CHARS_SHOWN = 20_000;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** @returns {HTMLElement} `tag.className` holding the given text */
export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Pretty-prints JSON into an element. */
export function showJson(into, value) {
  const text = JSON.stringify(value, null, 2);
  const shown = text.slice(0, CHARS_SHOWN);
  const parts = [];
  let end = 0;
  for (const { 0: whole, 1: string, 2: colon, 3: number, index } of shown.matchAll(TOKENS)) {
    parts.push(shown.slice(end, index));
    const kind = string ? (colon ? 'key' : 'string') : number ? 'number' : 'word';
    parts.push(element('span', kind, string ?? whole), colon ?? '');
    end = index + whole.length;
  }
  parts.push(shown.slice(end));
  if (text.length > shown.length) {
    parts.push(element('span', 'note', `\n… and ${(text.length - shown.length).toLocaleString()} more characters`));
  }
  into.replaceChildren(...parts);
}
