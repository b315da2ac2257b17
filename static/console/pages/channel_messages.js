/** Messages of a channel: published, heard live, and those that are kept. */

import { channelPath } from '../api.js';
import { html, useEffect, useLoad, useRef, useSession, useState } from '../hooks.js';
import { parse, write } from '../json.js';
import { listen } from '../live.js';
import { MessageList } from '../message_list.js';
import { Badge, Card, Confirm, Trouble } from '../ui.js';
import { has } from '../words.js';
import { Publish } from './publish.js';

/** So many messages that were heard are at hand. */
const HEARD = 1000;
/** So many kept ones come at once. */
const PAGE = 100;

export function Messages({ channel, onChange }) {
  const { api } = useSession();
  const [form, setForm] = useState({ event: '', data: '{}' });
  const keeps = has(channel, 'HISTORY');
  const [round, setRound] = useState(0);
  const publish = async ({ event, data }) => {
    await api.call('POST', channelPath(channel.id, '/messages'), { text: `{"e":${JSON.stringify(event)},"d":${data}}` });
    setRound((before) => before + 1);
    onChange();
  };
  const reuse = ({ event, data }) => setForm({ event, data: write(data, true) });
  return html`
    <div class="columns wide-right">
      <${Card} title="Publish"><${Publish} form=${form} onForm=${setForm} onPublish=${publish} what=${`Published to ${channel.id}`} /><//>
      <div class="stack">
        <${Live} channel=${channel} onReuse=${reuse} />
        ${keeps && html`<${Kept} channel=${channel} onReuse=${reuse} round=${round} />`}
      </div>
    </div>`;
}

const STATUS = { available: ['good', 'Live'], unavailable: ['bad', 'Not subscribed'], pending: ['busy', 'Subscribing…'], waiting: ['bad', 'Connection lost, reconnecting…'], closed: ['bad', 'Refused'] };

/** What is heard from now on. Hearing makes a subscriber of the console, so it begins by hand. */
function Live({ channel, onReuse }) {
  const { id } = channel;
  const { api, project } = useSession();
  const [isOn, setOn] = useState(false);
  const [status, setStatus] = useState({});
  const [messages, setMessages] = useState([]);
  const [isPaused, setPaused] = useState(false);
  const held = useRef([]);
  const counter = useRef(0);
  const paused = useRef(false);
  paused.current = isPaused;

  useEffect(() => {
    if (!isOn) return undefined;
    let frame = 0;
    // One drawing per frame keeps up with any rate.
    const show = () => {
      frame = 0;
      if (paused.current) return;
      const fresh = held.current.splice(0).reverse();
      setMessages((before) => [...fresh, ...before].slice(0, HEARD));
    };
    const end = listen(api, project.id, id, ({ event, data, missed }) => {
      counter.current += 1;
      const note = missed === 0 ? undefined : 'Messages before this one may be missing.';
      held.current.push({ key: `${counter.current}`, at: new Date(), event, data: parse(JSON.stringify(data)), note });
      if (held.current.length > HEARD) held.current.shift();
      frame ||= requestAnimationFrame(show);
    }, (name, error) => setStatus({ name, error }));
    return () => {
      cancelAnimationFrame(frame);
      end();
    };
  }, [isOn, id]);
  const pause = () => {
    if (isPaused) {
      const fresh = held.current.splice(0).reverse();
      setMessages((before) => [...fresh, ...before].slice(0, HEARD));
    }
    setPaused(!isPaused);
  };
  const [kind, word] = STATUS[status.name] ?? ['busy', 'Connecting…'];
  const about = has(channel, 'EPHEMERAL')
    ? 'Listening makes a subscriber of the console. This channel is EPHEMERAL: if nobody else is subscribed when the console leaves, it is deleted.'
    : 'Listening makes a subscriber of the console: it counts as online, and webhooks hear of it.';
  const start = api.isAdmin && channel.type !== 'unprotected'
    ? html`<p class="hint">An admin token is no key to the socket: sign in with a project token to listen to a ${channel.type} channel.</p>`
    : html`<div class="buttons"><button type="button" class="primary" onClick=${() => setOn(true)}>Listen</button></div>`;
  if (!isOn) return html`<${Card} title="Live"><p class="hint">${about}</p>${start}<//>`;
  return html`
    <${Card} title="Live" aside=${html`<span role="status"><${Badge} kind=${kind}>${word}<//></span>
      <button type="button" onClick=${() => setOn(false)}>Stop</button>`}>
      ${['unavailable', 'closed'].includes(status.name) && html`<${Trouble} error=${status.error} />`}
      <${MessageList} messages=${messages} name=${id} empty="Nothing was published since you listen." onReuse=${onReuse}>
        <button type="button" aria-pressed=${isPaused} onClick=${pause}>Pause</button>
        <button type="button" onClick=${() => setMessages([])}>Clear</button>
      <//>
    <//>`;
}

/** What is kept, newest first. */
function Kept({ channel: { id }, onReuse, round }) {
  const { api, say } = useSession();
  const path = channelPath(id, '/messages');
  const [older, setOlder] = useState({ messages: [], next: undefined });
  const page = async (before) => {
    const data = await api.get(path, { query: { order: 'desc', limit: PAGE, before }, isExact: true });
    const messages = data.get('messages').map((message) => ({
      key: message.get('s'), at: new Date(message.get('at')), event: message.get('e'), data: message.get('d'), from: message.get('from'),
    }));
    return { messages, next: data.get('next') };
  };
  const { data, error, reload } = useLoad(() => page(), [id, round], 3000);
  const newest = data?.messages ?? [];
  const isBeyond = older.messages.length > 0;
  // New ones push the first page down: what is in both is shown once.
  const known = new Set(newest.map(({ key }) => key));
  const messages = [...newest, ...older.messages.filter(({ key }) => !known.has(key))];
  const next = isBeyond ? older.next : data?.next;
  const more = async () => {
    const { messages: found, next: after } = await page(next);
    setOlder((before) => ({ messages: [...(isBeyond ? before.messages : newest), ...found], next: after }));
  };
  const takeBack = async () => {
    await api.call('DELETE', path);
    setOlder({ messages: [], next: undefined });
    say('All kept messages were deleted');
    reload();
  };
  return html`
    <${Card} title="Kept" aside=${html`<${Confirm} label="Delete all" title="Delete all kept messages of ${id}?" verb="Delete all"
      text="They are gone at once and for good; who comes back cannot be told of them any more." onConfirm=${takeBack} />`}>
      <${Trouble} error=${error} />
      <${MessageList} messages=${messages} name=${`${id}-kept`} empty="No message is kept." onReuse=${onReuse} />
      ${next && html`<div class="buttons"><button type="button" onClick=${more}>Older</button></div>`}
    <//>`;
}
