/** All channels of the project: found, made. */

import { channelPath } from '../api.js';
import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { objectTrouble, JsonField } from '../json_view.js';
import { go, link } from '../route.js';
import { Ago, Badge, Card, Check, Dialog, Field, Form, Pager, Table, Trouble } from '../ui.js';
import { CAPABILITIES, VISIBILITIES, count, has, plural } from '../words.js';

const PAGE_SIZE = 25;
/** A search looks through so many channels, and shows so many of those that fit. */
const MAX_SEARCHED = 5000;
const MAX_FOUND = 100;

/** One page, or what a search found; with how many are online in each. */
async function load(api, page, search) {
  const found = search ? await find(api, search) : await api.get('channels', {
    query: { page, pageSize: PAGE_SIZE, sortBy: 'created_at', orderBy: 'desc' },
  });
  const online = await Promise.all(found.channels.map(({ id }) => (
    api.get(channelPath(id, '/stats')).then(({ online_count: now }) => now, () => null)
  )));
  return { ...found, channels: found.channels.map((channel, index) => ({ ...channel, online: online[index] })) };
}

/** Walks through all channels, because the API has no search of its own. */
async function find(api, search) {
  const wanted = search.toLowerCase();
  const channels = [];
  let searched = 0;
  for await (const step of api.walk('channels', 'channels')) {
    searched += step.length;
    channels.push(...step.filter(({ id }) => id.toLowerCase().includes(wanted)));
    if (searched >= MAX_SEARCHED || channels.length >= MAX_FOUND) break;
  }
  return { channels: channels.slice(0, MAX_FOUND), total_count: channels.length, searched };
}

export function Channels() {
  const { api } = useSession();
  const [page, setPage] = useState(1);
  const [search, setSearch] = useState('');
  const [isCreating, setCreating] = useState(false);
  const { data, error } = useLoad(() => load(api, page, search), [page, search], 5000);
  const submit = (event) => {
    event.preventDefault();
    setSearch(new FormData(event.target).get('search').trim());
  };
  const note = !data ? 'Loading…' : search ? `Among ${plural(data.searched, 'channel')}` : plural(data.total_count, 'channel');
  return html`
    <div class="title row">
      <div><h1>Channels</h1><p class="muted num" role="status">${note}</p></div>
      <button type="button" class="primary" onClick=${() => setCreating(true)}>Create channel</button>
    </div>
    <${Trouble} error=${error} />
    <section class="card" aria-label="Channels">
      <form class="search" role="search" onSubmit=${submit}>
        <input type="search" name="search" aria-label="Search for a part of the id" placeholder="Search ids" spellcheck=${false}
          onInput=${(event) => event.target.value === '' && setSearch('')} />
        <button>Search</button>
      </form>
      <${Table} label="Channels" rows=${data?.channels ?? []} rowKey=${({ id }) => id} columns=${[
        ['Channel', ({ id }) => html`<a class="mono" href=${link('channels', id)}>${id}</a>`],
        ['Visibility', ({ type }) => html`<${Visibility} type=${type} />`],
        ['Capabilities', (channel) => html`<${Capabilities} channel=${channel} />`],
        ['Online', ({ online }) => html`<span class="num">${online === null ? '–' : count(online)}</span>`],
        ['State', ({ version }) => html`<span class="num">version ${count(version)}</span>`],
        ['Created', ({ created_at: at }) => html`<${Ago} at=${at} />`],
      ]} empty=${!data ? 'Loading…' : search ? 'No channel has this in its id.' : 'No channel yet: create one, and publish to it.'} />
      ${data && !search && html`<${Pager} page=${page} pageSize=${PAGE_SIZE} total=${data.total_count} onPage=${setPage} />`}
    </section>
    ${isCreating && html`<${Create} onClose=${() => setCreating(false)} />`}`;
}

/** How open a channel is. */
export const Visibility = ({ type }) => html`<${Badge} kind=${{ unprotected: 'busy', public: 'good' }[type]}>${type}<//>`;

/** What a channel can do. */
export const Capabilities = ({ channel }) => html`
  <span class="badges">${CAPABILITIES.filter(({ name }) => has(channel, name)).map(({ name, meaning }) => html`
    <span class="badge" title=${meaning}>${name}</span>`)}${channel.capabilities === 0 && html`<span class="muted">none</span>`}</span>`;

/** The fields for visibility and capabilities, which creating and changing share. */
export function Kind({ type, capabilities, onChange }) {
  return html`
    <${Field} as="select" label="Visibility" value=${type} onChange=${(event) => onChange({ type: event.target.value, capabilities })}
      hint=${`May subscribe: ${VISIBILITIES.find(({ name }) => name === type)?.meaning}.`}>
      ${VISIBILITIES.map(({ name }) => html`<option value=${name} selected=${name === type}>${name}</option>`)}
    <//>
    <fieldset>
      <legend>Capabilities</legend>
      ${CAPABILITIES.map(({ name, meaning, bit }) => html`
        <${Check} label=${name} hint=${meaning} checked=${(capabilities & bit) !== 0}
          onChange=${() => onChange({ type, capabilities: capabilities ^ bit })} />`)}
    </fieldset>`;
}

function Create({ onClose }) {
  const { api, say } = useSession();
  const [id, setId] = useState('');
  const [kind, setKind] = useState({ type: 'private', capabilities: 0 });
  const [state, setState] = useState('{}');
  const [action, doing] = useAction();
  const trouble = objectTrouble(state);
  const submit = () => action(async () => {
    if (trouble) throw new Error(`The state: ${trouble}`);
    const text = `{"type":${JSON.stringify(kind.type)},"capabilities":${kind.capabilities},"state":${state}}`;
    const { channel } = await (id ? api.call('PUT', channelPath(id), { text }) : api.call('POST', 'channels', { text }));
    say(`Created ${channel.id}`);
    go('channels', channel.id);
  });
  return html`
    <${Dialog} title="Create a channel" onClose=${onClose}>
      <${Form} onSubmit=${submit} action=${doing} submit="Create channel">
        <${Field} label="Id" name="id" autofocus value=${id} onInput=${(event) => setId(event.target.value)} maxlength="256"
          hint="Left empty, one is made up." />
        <${Kind} ...${kind} onChange=${setKind} />
        <${JsonField} label="State" value=${state} onInput=${setState} trouble=${trouble} rows=${3} />
      <//>
    <//>`;
}
