/** The difference of two states, a line for each thing that changes. */

import { html } from '../hooks.js';
import { write } from '../json.js';

/** So many lines are shown, and so much of each value. */
const MAX_LINES = 200;
const MAX_CHARS = 120;

/** @param {any} value */
function short(value) {
  const text = write(value);
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
}

/** @param {{changes: import('../merge.js').Change[]}} props */
export function Changes({ changes }) {
  if (changes.length === 0) return html`<p class="empty">No difference.</p>`;
  return html`
    <ul class="changes">
      ${changes.slice(0, MAX_LINES).map(({ path, before, after }) => html`
        <li>
          <span class="key">${path.join('.') || 'everything'}</span>
          ${before !== undefined && html`<del><span class="hidden">was </span>${short(before)}</del>`}
          ${after !== undefined && html`<ins><span class="hidden">becomes </span>${short(after)}</ins>`}
          ${after === undefined && html`<span class="muted">deleted</span>`}
        </li>`)}
      ${changes.length > MAX_LINES && html`<li class="muted">… and ${changes.length - MAX_LINES} more</li>`}
    </ul>`;
}
