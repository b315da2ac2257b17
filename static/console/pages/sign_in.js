/** The way in. */

import { html, useAction, useState } from '../hooks.js';
import { Field, Form, Trouble } from '../ui.js';

/** What can be a token at all; anything else is not sent. */
const TOKEN = /^(ptk|pat)_[\w-]+$/;

export function SignIn({ onToken, error }) {
  const [token, setToken] = useState('');
  const [action, state] = useAction();
  const submit = () => action(async () => {
    const given = token.trim();
    if (!TOKEN.test(given)) throw new Error('A project token begins with ptk_, an admin token with pat_.');
    await onToken(given);
  });
  return html`
    <main class="sign-in">
      <h1>Warren console</h1>
      <p class="muted">Channels, tokens and webhooks of a project, as its HTTP API has them.</p>
      ${!state.error && html`<${Trouble} error=${error} />`}
      <${Form} class="card" onSubmit=${submit} action=${state} submit=${state.isBusy ? 'Signing in…' : 'Sign in'}>
        <${Field} label="Project token or admin token" type="password" required placeholder="ptk_… or pat_…" name="token" autofocus
          value=${token} onInput=${(event) => setToken(event.target.value)}
          hint="Kept in this tab until you sign out or close it, and sent to this server alone." />
      <//>
      <p class="muted">The first run of the server prints both tokens. Lost? <code>warren admin create-token</code> makes an admin token,
        with which project tokens can be made here.</p>
      <p><a href="./">Watch one channel without a token</a> · <a href="docs">Documentation</a></p>
    </main>`;
}
