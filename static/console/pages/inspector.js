/** What happens in the project: what was recorded, and what comes. */

import { html, useEffect, useMemo, useRef, useSession, useState } from '../hooks.js';
import { exported, follow, GROUPS, look } from '../inspect.js';
import { tokenOf } from '../route.js';
import { Badge, Card, Empty, saveLines, Trouble } from '../ui.js';
import { masked, plural } from '../words.js';
import { InspectorEntry } from './inspector_entry.js';
import { Republish } from './republish.js';

/** So many entries are at hand. */
const SHOWN = 1000;
/** So many come at once at the beginning, and with each step back. */
const PAGE = 200;

const SUBJECTS = [['', 'Everything'], ['channel', 'A channel'], ['token', 'A token'], ['connection', 'A connection']];
const STATUS = { live: ['good', 'Live'], lost: ['bad', 'No answer, trying again…'], refused: ['bad', 'Refused'] };

/** What an address names; a leap token never stands in one. @param {string[]} args */
function subjectOf([name = '', id = '']) {
  if (!SUBJECTS.some(([known]) => known === name)) return { name: '', id: '' };
  return { name, id: name === 'token' ? tokenOf(id) ?? '' : id };
}

/** Everything that is shown: followed, paused, stepped back in. */
function useFeed(api, query, isPaused) {
  const [entries, setEntries] = useState([]);
  const [status, setStatus] = useState({});
  const [about, setAbout] = useState({});
  const [waiting, setWaiting] = useState(0);
  const held = useRef([]);
  const paused = useRef(isPaused);
  paused.current = isPaused;
  const show = () => {
    const fresh = held.current.splice(0).reverse();
    setWaiting(0);
    if (fresh.length > 0) setEntries((before) => [...fresh, ...before].slice(0, SHOWN));
  };
  useEffect(() => {
    const end = new AbortController();
    let frame = 0;
    setEntries([]);
    setAbout({});
    held.current = [];
    const onPage = ({ entries: fresh, older, isRecording, minutes }) => {
      setAbout((before) => ('older' in before ? { ...before, isRecording, minutes } : { older, isRecording, minutes }));
      held.current.push(...fresh);
      held.current.splice(0, held.current.length - SHOWN);
      if (paused.current) setWaiting(held.current.length);
      // One drawing per frame keeps up with any rate.
      else frame ||= requestAnimationFrame(() => { frame = 0; if (!paused.current) show(); });
    };
    follow(api, { ...query, limit: PAGE }, end.signal, onPage, (name, error) => setStatus({ name, error }));
    return () => {
      cancelAnimationFrame(frame);
      end.abort();
    };
  }, [JSON.stringify(query)]);
  useEffect(() => {
    if (!isPaused) show();
  }, [isPaused]);
  const more = async () => {
    const page = await look(api, { ...query, limit: PAGE, before: about.older });
    setAbout((before) => ({ ...before, older: page.older }));
    setEntries((before) => [...before, ...page.entries.reverse()]);
  };
  return { entries, status, about, waiting, more, clear: () => setEntries([]) };
}

export function Inspector({ args }) {
  const { api } = useSession();
  // What was chosen by hand counts until the address names something else.
  const place = args.join('/');
  const named = useMemo(() => subjectOf(args), [place]);
  const [chosen, setChosen] = useState({ place, subject: named });
  const subject = chosen.place === place ? chosen.subject : named;
  const setSubject = (next) => setChosen({ place, subject: next });
  // What consoles ask for would drown the rest.
  const [groups, setGroups] = useState(() => GROUPS.map(({ name }) => name).filter((name) => name !== 'Requests'));
  const [filter, setFilter] = useState('');
  const [isPaused, setPaused] = useState(false);
  const [again, setAgain] = useState(null);
  const kinds = GROUPS.filter(({ name }) => groups.includes(name)).flatMap((group) => group.kinds);
  const query = {
    ...(subject.id && { [subject.name]: subject.id }),
    ...(groups.length < GROUPS.length && { kind: kinds.join(',') }),
  };
  const { entries, status, about, waiting, more, clear } = useFeed(api, query, isPaused);
  const wanted = filter.trim().toLowerCase();
  const shown = wanted ? entries.filter(({ title, about: of, text }) => `${title} ${of} ${text}`.toLowerCase().includes(wanted)) : entries;
  const toggle = (name) => {
    const next = groups.includes(name) ? groups.filter((one) => one !== name) : [...groups, name];
    if (next.length > 0) setGroups(next);
  };
  const [kind, word] = isPaused ? ['busy', 'Paused'] : STATUS[status.name] ?? ['busy', 'Asking…'];
  const kept = about.isRecording
    ? `The last ${plural(about.minutes, 'minute')} are kept, and what comes is shown as it happens.`
    : 'Nothing is kept while nobody looks: what comes from now on is shown as it happens.';
  return html`
    <div class="title row">
      <div><h1>Inspector</h1><p class="muted">${about.minutes ? kept : 'What happens in this project'}</p></div>
      <span role="status"><${Badge} kind=${kind}>${word}<//></span>
    </div>
    <${Trouble} error=${status.error} />
    <section class="card" aria-label="What is shown">
      <${Subject} subject=${subject} onSubject=${setSubject} />
      <div class="segments" role="group" aria-label="Kinds">
        ${GROUPS.map(({ name }) => html`<button type="button" key=${name} aria-pressed=${groups.includes(name)} onClick=${() => toggle(name)}>${name}</button>`)}
      </div>
      ${groups.includes('Frames') && !['token', 'connection'].includes(subject.name) && html`
        <p class="hint">Frames are recorded once a token or a connection is chosen.</p>`}
    </section>
    <${Card} title=${subject.id ? `About ${subject.name === 'token' ? masked(subject.id) : subject.id}` : 'Everything'}
      aside=${waiting > 0 && html`<span class="muted num" role="status">${plural(waiting, 'entry waits', 'entries wait')}</span>`}>
      <div class="tools">
        <input type="search" aria-label="Filter entries" placeholder="Filter by text" value=${filter} onInput=${(event) => setFilter(event.target.value)} spellcheck=${false} />
        <button type="button" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>Pause</button>
        <button type="button" onClick=${clear}>Clear</button>
        <button type="button" disabled=${shown.length === 0} onClick=${() => saveLines(exported(shown), 'inspector')}>Export</button>
        <span class="muted num">${wanted ? `${shown.length} of ` : ''}${plural(entries.length, 'entry', 'entries')}</span>
      </div>
      ${shown.length === 0 ? html`<${Empty}>${wanted ? 'No entry has this in it.' : 'Nothing has happened yet.'}<//>` : html`
        <ol class="lines tall">
          ${shown.map((entry) => html`<${InspectorEntry} key=${entry.key} entry=${entry} onOnly=${setSubject} onAgain=${setAgain} />`)}
        </ol>`}
      ${about.older && html`<div class="buttons end"><button type="button" onClick=${more}>Older</button></div>`}
    <//>
    ${again && html`<${Republish} again=${again} onClose=${() => setAgain(null)} />`}`;
}

/** What it is about: chosen by hand, so that half a name is not asked for. */
function Subject({ subject, onSubject }) {
  const [written, setWritten] = useState({ base: subject, draft: subject });
  const draft = written.base === subject ? written.draft : subject;
  const setDraft = (next) => setWritten({ base: subject, draft: next });
  const choose = (event) => {
    event.preventDefault();
    onSubject({ name: draft.name, id: draft.name ? draft.id.trim() : '' });
  };
  const pick = (event) => {
    const next = { name: event.target.value, id: '' };
    setDraft(next);
    if (!next.name) onSubject(next);
  };
  const placeholder = { channel: 'The channel’s id', token: 'leap_token_…', connection: 'The connection’s id' }[draft.name];
  return html`
    <form class="search" onSubmit=${choose}>
      <select aria-label="Show" value=${draft.name} onChange=${pick}>
        ${SUBJECTS.map(([name, title]) => html`<option value=${name}>${title}</option>`)}
      </select>
      ${draft.name && html`
        <input aria-label=${placeholder} placeholder=${placeholder} value=${draft.id} spellcheck=${false} autocomplete="off"
          onInput=${(event) => setDraft({ ...draft, id: event.target.value })} />
        <button>Show</button>`}
    </form>`;
}
