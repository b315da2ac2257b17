/** Many messages, a line each: filtered, opened one by one, exported. */

import { html, useState } from './hooks.js';
import { write } from './json.js';
import { JsonView } from './json_view.js';
import { Empty, OpeningLine, saveLines } from './ui.js';
import { plural } from './words.js';

/** @typedef {{key: string, at: Date, event: string, data: any, from?: string, note?: string}} Shown */

/** Saves messages as lines of JSON. @param {Shown[]} messages @param {string} name */
function save(messages, name) {
  const lines = messages.map(({ at, event, data, from }) => (
    `{"at":"${at.toISOString()}","e":${JSON.stringify(event)},"d":${write(data)}${from ? `,"from":${JSON.stringify(from)}` : ''}}\n`
  ));
  saveLines(lines, name.replace(/[^\w.-]+/g, '_'));
}

/** @param {{messages: Shown[], name: string, empty: any, children?: any, onReuse?: (message: Shown) => void}} props newest first */
export function MessageList({ messages, name, empty, children, onReuse }) {
  const [filter, setFilter] = useState('');
  const wanted = filter.toLowerCase();
  const lines = messages.map((message) => ({ ...message, text: write(message.data) }));
  const shown = wanted ? lines.filter(({ event, text }) => `${event} ${text}`.toLowerCase().includes(wanted)) : lines;
  return html`
    <div class="tools">
      <input type="search" aria-label="Filter messages" placeholder="Filter by event or data" value=${filter}
        onInput=${(event) => setFilter(event.target.value)} spellcheck=${false} />
      ${children}
      <button type="button" disabled=${shown.length === 0} onClick=${() => save(shown, name)}>Export</button>
      <span class="muted num">${wanted ? `${shown.length} of ` : ''}${plural(messages.length, 'message')}</span>
    </div>
    ${shown.length === 0 ? html`<${Empty}>${wanted ? 'No message has this in it.' : empty}<//>` : html`
      <ol class="lines">
        ${shown.map((message) => html`<${Line} key=${message.key} message=${message} onReuse=${onReuse} />`)}
      </ol>`}`;
}

/** One message: a line, and the whole of it once it is opened. */
function Line({ message, onReuse }) {
  const { at, event, data, text, from, note } = message;
  const head = html`<span class="event">${event || '(no name)'}</span>`;
  const whole = () => html`
    <${JsonView} value=${data} label="Data" />
    <p class="facts">
      ${from && html`<span>from <code>${from}</code></span>`}
      ${onReuse && html`<button type="button" onClick=${() => onReuse(message)}>Into the form</button>`}
    </p>`;
  return html`<${OpeningLine} at=${at} note=${note} head=${head} text=${text} whole=${whole} />`;
}
