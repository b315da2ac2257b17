/** One thing that happened: a line, and all that is known of it once it is opened. */

import { html } from '../hooks.js';
import { JsonView } from '../json_view.js';
import { link, tokenAlias } from '../route.js';
import { OpeningLine } from '../ui.js';
import { masked, time } from '../words.js';

/** What stands in the line already, or is shown in a way of its own. */
const SHOWN_ELSEWHERE = new Set(['number', 'at', 'kind', 'data', 'text', 'channel', 'token', 'connection', 'event']);
const NAMES = { took_ms: 'took, ms', is_back_end: 'back end', by: 'asked by' };

/** @param {{entry: import('../inspect.js').Entry, onOnly: Function, onAgain: Function}} props */
export function InspectorEntry({ entry, onOnly, onAgain }) {
  const { at, title, isBad, about, text, note } = entry;
  const head = html`
    <span class=${`kind ${isBad ? 'bad-text' : ''}`}>${title}</span>
    ${about && html`<span class="event">${about}</span>`}`;
  const whole = () => html`<${Whole} entry=${entry} onOnly=${onOnly} onAgain=${onAgain} />`;
  return html`<${OpeningLine} at=${at} note=${note} head=${head} text=${text} whole=${whole} />`;
}

/** All that is known. */
function Whole({ entry: { at, kind, raw }, onOnly, onAgain }) {
  const { channel, token, connection } = Object.fromEntries(raw);
  const rest = [...raw].filter(([name]) => !SHOWN_ELSEWHERE.has(name));
  const only = (name, id) => html`<button type="button" onClick=${() => onOnly({ name, id })}>Only this ${name}</button>`;
  const canSayAgain = ['message', 'direct'].includes(kind) && raw.has('data') && (channel ?? token ?? connection);
  return html`
    ${raw.has('data') && html`<${JsonView} value=${raw.get('data')} label="Data" />`}
    ${raw.has('text') && html`<pre tabindex="0" role="group" aria-label="Text">${raw.get('text')}</pre>`}
    ${raw.has('bytes') && !raw.has('data') && !raw.has('text') && html`<p class="hint">The contents are not kept: too long, or by the operator’s rules.</p>`}
    <dl class="facts">
      <dt>at</dt><dd>${time(at)}</dd>
      ${channel && html`<dt>channel</dt><dd><a href=${link('channels', channel)}>${channel}</a></dd>`}
      ${token && html`<dt>token</dt><dd><a class="mono" href=${link('tokens', tokenAlias(token))}>${masked(token)}</a></dd>`}
      ${connection && html`<dt>connection</dt><dd class="mono">${connection}</dd>`}
      ${raw.get('event') !== undefined && html`<dt>event</dt><dd class="mono">${raw.get('event')}</dd>`}
      ${rest.map(([name, value]) => html`<dt>${NAMES[name] ?? name}</dt><dd class="mono">${String(value?.text ?? value)}</dd>`)}
    </dl>
    <p class="buttons">
      ${channel && only('channel', channel)}
      ${token && only('token', token)}
      ${connection && only('connection', connection)}
      ${canSayAgain && html`<button type="button" onClick=${() => onAgain(raw)}>Into the publish form</button>`}
    </p>`;
}
