/** Through the kept versions of a channel's state, and back to one of them. */

import { channelPath } from '../api.js';
import { html, useEffect, useLoad, useSession, useState } from '../hooks.js';
import { JsonView } from '../json_view.js';
import { changes } from '../merge.js';
import { Ago, Card, Confirm, Empty, Trouble } from '../ui.js';
import { CAPABILITIES, bytes, has, time } from '../words.js';
import { Changes } from './state_changes.js';

const { bit: STATE_HISTORY } = CAPABILITIES.find(({ name }) => name === 'STATE_HISTORY');
/** So many of the newest versions are within the slider's reach; that is as many as are kept by default. */
const LIMIT = 1000;

export function Versions({ channel, onChange }) {
  const { api, say } = useSession();
  if (has(channel, 'STATE_HISTORY')) return html`<${Travel} channel=${channel} onChange=${onChange} />`;
  const begin = async () => {
    await api.call('PATCH', channelPath(channel.id), { body: { capabilities: channel.capabilities | STATE_HISTORY } });
    say('Versions are kept from now on');
    onChange();
  };
  return html`
    <${Card} title="Versions">
      <${Empty}>This channel keeps no versions of its state.<//>
      <div class="buttons"><${Confirm} class="primary" label="Keep versions from now on" title="Keep versions of ${channel.id}?" verb="Keep versions"
        text="The channel gets the capability STATE_HISTORY. It begins with the state in force." onConfirm=${begin} /></div>
    <//>`;
}

function Travel({ channel: { id, version: newest }, onChange }) {
  const { api, say } = useSession();
  // Oldest first, as the slider has it.
  const { data: versions, error, reload } = useLoad(async () => (
    (await api.get(channelPath(id, '/state/history'), { query: { limit: LIMIT } })).versions.reverse()
  ), [id, newest]);
  /** The version that was chosen; null follows the newest. */
  const [chosen, setChosen] = useState(null);
  if (!versions) return html`<${Trouble} error=${error} />`;

  const found = versions.findIndex(({ version }) => version === chosen);
  const index = found < 0 ? versions.length - 1 : found;
  const { version, at, by, bytes: size } = versions[index];
  const isNewest = index === versions.length - 1;
  const restore = async () => {
    await api.call('POST', channelPath(id, '/state/restore'), { body: { version } });
    setChosen(null);
    say(`Version ${version} is in force again`);
    onChange();
    reload();
  };
  const choose = (next) => setChosen(next === versions.length - 1 ? null : versions[next].version);
  return html`
    <${Trouble} error=${error} />
    <${Card} title=${`Version ${version}`} aside=${!isNewest && html`<${Confirm} class="primary" label="Restore this version"
      title="Restore version ${version} of ${id}?" verb="Restore" onConfirm=${restore}
      text="Its state becomes a new version, which everybody who is subscribed hears. What is in force now stays among the versions." />`}>
      <div class="slider">
        <button type="button" disabled=${index === 0} onClick=${() => choose(index - 1)} aria-label="One version back">‹</button>
        <input type="range" min="0" max=${versions.length - 1} value=${index} aria-label="Version"
          aria-valuetext=${`version ${version}, ${time(at)}`} onInput=${(event) => choose(Number(event.target.value))} />
        <button type="button" disabled=${isNewest} onClick=${() => choose(index + 1)} aria-label="One version on">›</button>
      </div>
      <p class="facts">
        <span>${isNewest ? 'in force since' : 'made'} <${Ago} at=${at} /></span>
        <span>by ${by ? html`<code>${by}</code>` : 'the first state, or a call within the server'}</span>
        <span class="num">${bytes(size)}</span>
        <span class="muted num">${index + 1} of ${versions.length} kept</span>
      </p>
    <//>
    <${Shown} id=${id} version=${version} before=${index > 0 ? versions[index - 1].version : null} />`;
}

/** A version's state, and what it changed. */
function Shown({ id, version, before }) {
  const { api } = useSession();
  const [shown, setShown] = useState({});
  useEffect(() => {
    let isWanted = true;
    const read = (one) => api.get(channelPath(id, '/state'), { query: { version: one }, isExact: true }).then((data) => data.get('state'));
    Promise.all([read(version), before === null ? null : read(before)])
      .then(([state, old]) => isWanted && setShown({ state, old, version }))
      .catch((error) => isWanted && setShown((last) => ({ ...last, error })));
    return () => { isWanted = false; };
  }, [id, version, before]);
  return html`
    <${Trouble} error=${shown.error} />
    ${shown.state && html`
      <div class="columns" aria-busy=${shown.version !== version}>
        <${Card} title="State"><${JsonView} value=${shown.state} label=${`State of version ${shown.version}`} /><//>
        <${Card} title="What it changed">
          ${shown.old ? html`<${Changes} changes=${changes(shown.old, shown.state)} />` : html`<${Empty}>It is the oldest that is kept.<//>`}
        <//>
      </div>`}`;
}
