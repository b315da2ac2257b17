/** What was said once, in the form in which it is said again, changed or not. */

import { channelPath, tokenPath } from '../api.js';
import { html, useSession, useState } from '../hooks.js';
import { write } from '../json.js';
import { Dialog } from '../ui.js';
import { masked } from '../words.js';
import { Publish } from './publish.js';

/** Where it went: how that is called, and the path. @param {Map<string, any>} raw @returns {[string, string]} */
function targetOf(raw) {
  const [channel, token, connection] = ['channel', 'token', 'connection'].map((name) => raw.get(name));
  if (channel) return [`the channel ${channel}`, channelPath(channel, '/messages')];
  if (token) return [`the token ${masked(token)}`, tokenPath(token, '/messages')];
  return [`the connection ${connection}`, `channels/connections/${encodeURIComponent(connection)}/messages`];
}

/** @param {{again: Map<string, any>, onClose: () => void}} props */
export function Republish({ again, onClose }) {
  const { api } = useSession();
  const [form, setForm] = useState({ event: again.get('event') ?? '', data: write(again.get('data'), true) });
  const [name, path] = targetOf(again);
  const publish = async ({ event, data }) => {
    await api.call('POST', path, { text: `{"e":${JSON.stringify(event)},"d":${data}}` });
    onClose();
  };
  return html`
    <${Dialog} title="Publish again" onClose=${onClose}>
      <p class="hint">It goes to ${name}, and to everybody who hears that.</p>
      <${Publish} form=${form} onForm=${setForm} onPublish=${publish} what="Published" />
    <//>`;
}
