/** The state of a channel, as it is and as somebody is about to make it. */

import { channelPath } from '../api.js';
import { html, useAction, useLoad, useSession, useState } from '../hooks.js';
import { write } from '../json.js';
import { JsonField, JsonView, read } from '../json_view.js';
import { apply, changes, mergePatch, shallowPatch } from '../merge.js';
import { Card, Trouble } from '../ui.js';
import { timeOfDay } from '../words.js';
import { Changes } from './state_changes.js';

/** How what is written is meant. */
const WAYS = {
  whole: { title: 'Whole state', method: 'PUT', type: 'application/json', make: (_, value) => value },
  merge: { title: 'Merge patch', method: 'PATCH', type: 'application/merge-patch+json', make: mergePatch },
  shallow: { title: 'Shallow patch', method: 'PATCH', type: 'application/json', make: shallowPatch },
};

const WAY_HINTS = {
  whole: 'Saved as it stands here.',
  merge: 'RFC 7396: what is named is merged in, at any depth; null deletes.',
  shallow: 'As Hop’s patchState: the top-level keys that are named are set, null included.',
};

const POLL_MS = 2000;

/** Follows a channel's state without being a subscriber: looking leaves no trace. */
function useLiveState(api, id) {
  const { data, error, reload } = useLoad(async (before) => {
    const headers = before ? { 'if-none-match': before.tag } : {};
    const answer = await api.ask('GET', channelPath(id, '/state'), { headers, isExact: true });
    if (answer.status === 304) return before;
    return { state: answer.data.get('state'), version: Number(answer.data.get('version').text), tag: answer.headers.get('etag'), at: new Date() };
  }, [id], POLL_MS);
  return { ...data, error, look: reload };
}

export function State({ channel: { id }, onChange }) {
  const { api, say } = useSession();
  const live = useLiveState(api, id);
  /** What the text was made from, and the text; null while nothing was written. */
  const [draft, setDraft] = useState(null);
  const [way, setWay] = useState('whole');
  const [clashes, setClashes] = useState([]);
  const [action, doing, settle] = useAction();
  if (live.version === undefined) return html`<${Trouble} error=${live.error} />`;

  const { make, method, type } = WAYS[way];
  const base = draft?.base ?? live;
  const text = draft?.text ?? (way === 'whole' ? write(live.state, true) : '{\n  \n}');
  const { value, error: mistake } = read(text);
  const trouble = mistake ? mistake.message : value instanceof Map ? undefined : 'A state is an object: { … }';
  const wanted = trouble ? [] : changes(base.state, make(base.state, value));
  const isStale = draft !== null && base.version !== live.version;

  const drop = () => {
    setDraft(null);
    setClashes([]);
    settle();
  };
  const save = () => action(async () => {
    const answer = await api.ask(method, channelPath(id, '/state'), {
      text, headers: { 'if-match': base.tag, 'content-type': type }, isExact: true,
    }).catch((error) => {
      // Somebody was faster; the next look shows with what, and the notice what can be done.
      if (error.status === 412) live.look();
      throw error.status === 412 ? new Error(`Not saved: somebody else changed the state meanwhile. You began with version ${base.version}, and version ${error.detail.version} is in force.`) : error;
    });
    say(`Saved as version ${answer.data.get('version').text}`);
    drop();
    live.look();
    onChange();
  });
  const rebase = () => {
    const { state, clashes: found } = apply(live.state, wanted);
    setWay('whole');
    setClashes(found);
    setDraft({ base: live, text: write(state, true) });
    settle();
  };

  return html`
    <${Trouble} error=${live.error} />
    ${isStale && html`
      <div class="notice busy" role="alert" id="conflict">
        <div>
          <p><strong>Version ${live.version} is in force now; you began with version ${base.version}.</strong></p>
          <p>Somebody else changed:</p>
          <${Changes} changes=${changes(base.state, live.state)} />
        </div>
        <div class="buttons">
          <button type="button" onClick=${rebase} disabled=${Boolean(trouble)}>Put my changes on top</button>
          <button type="button" onClick=${drop}>Drop mine</button>
        </div>
      </div>`}
    <div class="columns">
      <${Card} title="Edit" aside=${html`<${Ways} way=${way} onWay=${(next) => { setWay(next); drop(); }} />`}>
        <form class="form" onSubmit=${(event) => { event.preventDefault(); save(); }}>
          <${JsonField} label=${way === 'whole' ? 'State' : 'Patch'} rows=${16} value=${text} trouble=${trouble} hint=${WAY_HINTS[way]}
            onInput=${(next) => setDraft({ base, text: next })} />
          <${Trouble} error=${doing.error} />
          <div class="buttons">
            <button class="primary" disabled=${Boolean(trouble) || draft === null || doing.isBusy}>Save</button>
            <button type="button" disabled=${draft === null} onClick=${drop}>Revert</button>
          </div>
        </form>
      <//>
      <div class="stack">
        <${Card} title="What will change">
          ${clashes.length > 0 && html`<p class="notice busy">These overwrite what somebody else changed: ${clashes.map(({ path }) => path.join('.')).join(', ')}</p>`}
          ${draft === null ? html`<p class="empty">Nothing is written yet.</p>` : html`<${Changes} changes=${wanted} />`}
        <//>
        <${Card} title="In force" aside=${html`<span class="muted num">version ${live.version} · ${timeOfDay(live.at)}</span>`}>
          <${JsonView} value=${live.state} label="The state in force" />
        <//>
      </div>
    </div>`;
}

/** Chooses how what is written is meant. */
const Ways = ({ way, onWay }) => html`
  <div class="segments" role="group" aria-label="How it is written">
    ${Object.entries(WAYS).map(([name, { title }]) => html`
      <button type="button" aria-pressed=${name === way} onClick=${() => name !== way && onWay(name)}>${title}</button>`)}
  </div>`;
