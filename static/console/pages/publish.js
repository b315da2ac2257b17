/** The form in which a message is written, to whomever it goes. */

import { html, useAction, useSession } from '../hooks.js';
import { JsonField, read } from '../json_view.js';
import { Field, Form } from '../ui.js';

/** @param {{form: {event: string, data: string}, onForm: Function, onPublish: Function, what: string, submit?: string, children?: any}} props */
export function Publish({ form, onForm, onPublish, what, submit = 'Publish', children }) {
  const { say } = useSession();
  const [action, doing] = useAction();
  const trouble = read(form.data || 'null').error?.message;
  const send = () => action(async () => {
    if (trouble) throw new Error(`The data: ${trouble}`);
    await onPublish({ event: form.event, data: form.data || 'null' });
    say(what);
  });
  return html`
    <${Form} onSubmit=${send} action=${doing} submit=${submit}>
      <${Field} label="Event" name="event" value=${form.event} maxlength="256" placeholder="GREETING"
        onInput=${(event) => onForm({ ...form, event: event.target.value })} />
      <${JsonField} label="Data" name="data" rows=${8} value=${form.data} trouble=${trouble} hint="Any JSON; it is passed on as it stands here."
        onInput=${(data) => onForm({ ...form, data })} />
      ${children}
    <//>`;
}
