/** What a channel is, and its end. */

import { channelPath } from '../api.js';
import { html, useAction, useEnding, useSession, useState } from '../hooks.js';
import { go } from '../route.js';
import { Card, Confirm, Field, Form } from '../ui.js';
import { CAPABILITIES, has } from '../words.js';
import { Kind } from './channels.js';

const { bit: HISTORY } = CAPABILITIES.find(({ name }) => name === 'HISTORY');

export function Settings({ channel, onChange }) {
  const { api, say } = useSession();
  const end = useEnding();
  const { type, capabilities, history } = channel;
  const stored = { type, capabilities, history: { count: history?.count ?? '', seconds: history?.seconds ?? '' } };
  const base = JSON.stringify(stored);
  /** What is being changed here, and what it was made from: what somebody else changes meanwhile is shown instead. */
  const [draft, setDraft] = useState(null);
  const kind = draft?.base === base ? draft.kind : stored;
  const change = (changed) => setDraft({ base, kind: { ...kind, ...changed } });
  const bound = (changed) => change({ history: { ...kind.history, ...changed } });
  const [action, doing] = useAction();
  const keeps = (kind.capabilities & HISTORY) !== 0;
  const save = () => action(async () => {
    const narrowed = Object.fromEntries(Object.entries(kind.history).filter(([, value]) => value !== '').map(([name, value]) => [name, Number(value)]));
    const body = { type: kind.type, capabilities: kind.capabilities, ...(keeps ? { history: narrowed } : {}) };
    await api.call('PATCH', channelPath(channel.id), { body });
    say('Saved');
    onChange();
  });
  const remove = () => end(async () => {
    await api.call('DELETE', channelPath(channel.id));
    say(`Deleted ${channel.id}`);
    go('channels');
  });
  const lost = ['STATE_HISTORY', 'HISTORY'].filter((name) => has(channel, name) && !has(kind, name));
  return html`
    <div class="columns">
      <${Card} title="Visibility and capabilities">
        <${Form} onSubmit=${save} action=${doing} submit="Save">
          <${Kind} type=${kind.type} capabilities=${kind.capabilities} onChange=${change} />
          ${keeps && html`
            <${Field} label="Keep at most so many messages" type="number" min="0" value=${kind.history.count} placeholder="as the server’s setting"
              onInput=${(event) => bound({ count: event.target.value })} />
            <${Field} label="Keep them for so many seconds" type="number" min="0" value=${kind.history.seconds} placeholder="as the server’s setting"
              onInput=${(event) => bound({ seconds: event.target.value })} />`}
          ${lost.length > 0 && html`<p class="notice busy">Without ${lost.join(' and ')}, what is kept is gone for good.</p>`}
          <p class="hint">Who is subscribed stays subscribed, whatever the visibility.</p>
        <//>
      <//>
      <${Card} title="Delete the channel">
        <p class="hint">Its state, messages and subscriptions go with it. A new channel of the same id is a new one.</p>
        <div class="buttons"><${Confirm} label="Delete channel" title="Delete the channel ${channel.id}?" onConfirm=${remove}
          text="State, kept messages and subscriptions are gone for good, and subscribers are told." /></div>
      <//>
    </div>`;
}
