/** JSON with colours, and the field in which it is written. */

import { html } from './hooks.js';
import { parse, write } from './json.js';
import { Field } from './ui.js';
import { count } from './words.js';

/** Longer text is cut for display: laying out megabytes would freeze the tab. */
const CHARS_SHOWN = 20_000;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** @param {string} text */
function coloured(text) {
  const parts = [];
  let end = 0;
  for (const { 0: whole, 1: string, 2: colon, 3: number, index } of text.matchAll(TOKENS)) {
    parts.push(text.slice(end, index));
    const kind = string ? (colon ? 'key' : 'string') : number ? 'number' : 'word';
    parts.push(html`<span class=${kind}>${string ?? whole}</span>`, colon ?? '');
    end = index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** A text of JSON. */
export function JsonText({ text, label }) {
  const rest = text.length - CHARS_SHOWN;
  return html`<pre class="json" tabindex="0" role="group" aria-label=${label}>${coloured(text.slice(0, CHARS_SHOWN))}${rest > 0 && html`<span class="muted">
… and ${count(rest)} more characters</span>`}</pre>`;
}

/** A value as {@link parse} reads it. */
export const JsonView = ({ value, label }) => html`<${JsonText} text=${write(value, true)} label=${label} />`;

/** A value as `JSON.parse` reads it. */
export const PlainView = ({ value, label }) => html`<${JsonText} text=${JSON.stringify(value, null, 2) ?? 'undefined'} label=${label} />`;

/** What a text says: its value, or why there is none. @param {string} text @returns {{value?: any, error?: Error}} */
export function read(text) {
  try {
    return { value: parse(text) };
  } catch (error) {
    return { error };
  }
}

/** What is wrong with a text that is to be an object. @param {string} text */
export function objectTrouble(text) {
  const { value, error } = read(text);
  if (error) return error.message;
  return value instanceof Map ? undefined : 'An object is expected: { … }';
}

/** A field for JSON, which says at once what is wrong with it. */
export function JsonField({ label, value, onInput, hint, trouble, rows = 6, ...rest }) {
  return html`
    <${Field} as="textarea" label=${label} class="mono" rows=${rows} value=${value} hint=${trouble ?? hint}
      aria-invalid=${Boolean(trouble)} onInput=${(event) => onInput(event.target.value)} ...${rest} />`;
}
