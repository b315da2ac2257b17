/** Small parts that all pages are made of. */

import { html, useEffect, useRef, useState } from './hooks.js';
import { distance, time, timeOfDay } from './words.js';

/** So much of a text stands in a line. */
const LINE_CHARS = 200;

let ids = 0;
/** An id for a field and its label. */
export function useId() {
  const ref = useRef('');
  ref.current ||= `f${(ids += 1)}`;
  return ref.current;
}

/** What went wrong, in words that say what to do. */
export function Trouble({ error }) {
  if (!error) return null;
  const { code, detail } = error;
  const text = code === 'missing_permission' ? `This token lacks the permission ${detail.permission}.` : error.message;
  const word = code && html`<code>${code}</code>`;
  // Where the server explains it; the console and its book are mounted side by side.
  const explained = detail?.docs ? html`<a href=${detail.docs.slice(1)} target="_blank" rel="noreferrer">${word}</a>` : word;
  return html`<p class="notice bad" role="alert">${text} ${explained}</p>`;
}

/** A field with its label; `as` is `input`, `textarea` or `select`. */
export function Field({ label, hint, as = 'input', children, ...rest }) {
  const id = useId();
  const described = hint ? `${id}-hint` : undefined;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <${as} id=${id} aria-describedby=${described} spellcheck=${false} autocomplete="off" autocapitalize="off" ...${rest}>${children}<//>
      ${hint && html`<p class="hint" id=${described}>${hint}</p>`}
    </div>`;
}

/** A tick with its label. */
export function Check({ label, hint, ...rest }) {
  const id = useId();
  return html`
    <div class="check">
      <input type="checkbox" id=${id} ...${rest} />
      <label for=${id}>${label}${hint && html` <span class="muted">${hint}</span>`}</label>
    </div>`;
}

/** A form that does something; what went wrong stands beside its button. */
export function Form({ onSubmit, action = {}, submit, children, class: name = '', ...rest }) {
  const send = (event) => {
    event.preventDefault();
    if (!action.isBusy) onSubmit(event.target);
  };
  return html`
    <form class=${`form ${name}`} onSubmit=${send} ...${rest}>
      ${children}
      <${Trouble} error=${action.error} />
      <div class="buttons"><button class="primary" aria-disabled=${Boolean(action.isBusy)}>${submit}</button></div>
    </form>`;
}

/** A card with a heading, and what stands at its end. */
export function Card({ title, level = 2, aside, children, class: name = '' }) {
  const id = useId();
  return html`
    <section class=${`card ${name}`} aria-labelledby=${id}>
      <div class="card-head"><${`h${level}`} id=${id}>${title}<//>${aside && html`<div class="buttons">${aside}</div>`}</div>
      ${children}
    </section>`;
}

/** A dialog. It is open for as long as it is there; Escape calls `onClose`. */
export function Dialog({ title, onClose, children }) {
  const ref = useRef(null);
  const id = useId();
  useEffect(() => {
    const [before, dialog] = [document.activeElement, ref.current];
    dialog.showModal();
    return () => {
      // Nothing outside can have the focus while it is open.
      dialog.close();
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`
    <dialog ref=${ref} aria-labelledby=${id} onCancel=${cancel}>
      <div class="card-head"><h2 id=${id}>${title}</h2><button type="button" onClick=${onClose} aria-label="Close">✕</button></div>
      ${children}
    </dialog>`;
}

/** A button that asks once more, and names what would be gone. */
export function Confirm({ label, title, text, verb, onConfirm, class: name = 'danger' }) {
  const [isOpen, setOpen] = useState(false);
  const [error, setError] = useState(undefined);
  const [isBusy, setBusy] = useState(false);
  const close = () => {
    setOpen(false);
    setError(undefined);
  };
  const confirm = async () => {
    setBusy(true);
    try {
      await onConfirm();
      close();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return html`
    <button type="button" class=${name} onClick=${() => setOpen(true)}>${label}</button>
    ${isOpen && html`
      <${Dialog} title=${title} onClose=${close}>
        <p>${text}</p>
        <${Trouble} error=${error} />
        <div class="buttons end">
          <button type="button" onClick=${close}>Cancel</button>
          <button type="button" class="primary danger" disabled=${isBusy} onClick=${confirm}>${verb ?? label}</button>
        </div>
      <//>`}`;
}

/** Copies a text; where the clipboard is out of reach (plain http) it is shown, selected. */
export function Copy({ text, label = 'Copy' }) {
  const [outcome, setOutcome] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome('Copied');
      setTimeout(() => setOutcome(''), 1500);
    } catch {
      setOutcome('shown');
    }
  };
  if (outcome === 'shown') return html`<input class="mono" readonly value=${text} aria-label="To be copied" ref=${(field) => field?.select()} />`;
  return html`<button type="button" onClick=${copy}>${outcome || label}</button>`;
}

/** A secret that is shown this once. */
export const Secret = ({ what, secret }) => html`
  <div class="notice good" role="status">
    <p>${what} It is shown only now.</p>
    <p class="secret"><code>${secret}</code> <${Copy} text=${secret} /></p>
  </div>`;

/** A moment, said as how long ago it was. */
export const Ago = ({ at }) => (at ? html`<time datetime=${at} title=${time(at)}>${distance(at)}</time>` : html`<span class="muted">never</span>`);

/** A word with a colour: `good`, `busy`, `bad` or none. */
export const Badge = ({ kind = '', children }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** What stands where nothing is. */
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** A table whose rows become blocks on narrow screens; `columns` are `[heading, (row) => cell]`. */
export function Table({ label, columns, rows, rowKey, empty }) {
  if (rows.length === 0) return html`<${Empty}>${empty}<//>`;
  return html`
    <table aria-label=${label}>
      <thead><tr>${columns.map(([heading]) => html`<th scope="col">${heading || html`<span class="hidden">Actions</span>`}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((row) => html`
          <tr key=${rowKey(row)}>
            ${columns.map(([heading, cell]) => html`<td data-label=${heading} class=${heading ? '' : 'actions'}>${cell(row)}</td>`)}
          </tr>`)}
      </tbody>
    </table>`;
}

/** Turns pages of a list that says how many there are. */
export function Pager({ page, pageSize, total, onPage }) {
  const last = Math.max(1, Math.ceil(total / pageSize));
  if (last === 1) return null;
  return html`
    <nav class="pager" aria-label="Pages">
      <button type="button" disabled=${page <= 1} onClick=${() => onPage(page - 1)}>Previous</button>
      <span class="num">Page ${page} of ${last}</span>
      <button type="button" disabled=${page >= last} onClick=${() => onPage(page + 1)}>Next</button>
    </nav>`;
}

/** A thing of a list: a line, and the whole of it once it is opened. @param {{at: Date, note?: string, head: any, text: string, whole: () => any}} props */
export function OpeningLine({ at, note, head, text, whole }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <li>
      ${note && html`<p class="gap">${note}</p>`}
      <details onToggle=${(toggled) => setOpen(toggled.target.open)}>
        <summary>
          <time datetime=${at.toISOString()}>${timeOfDay(at)}</time>
          ${head}
          <span class="text">${text.slice(0, LINE_CHARS)}</span>
        </summary>
        ${isOpen && whole()}
      </details>
    </li>`;
}

/** Hands lines of JSON to the browser as a file. @param {string[]} lines @param {string} name */
export function saveLines(lines, name) {
  const url = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }));
  Object.assign(document.createElement('a'), { href: url, download: `${name}.ndjson` }).click();
  URL.revokeObjectURL(url);
}

/** Links of which one is where one is; where they are wider than the screen, that one is in sight. @param {{label: string, links: [string, string, string][], active: string, class: string}} props */
export function Links({ label, links, active, class: name, children }) {
  const nav = useRef(null);
  useEffect(() => {
    const current = nav.current.querySelector('[aria-current]');
    // Sideways alone: the page itself stays where it is.
    if (current) nav.current.scrollLeft = current.offsetLeft - (nav.current.clientWidth - current.offsetWidth) / 2;
  }, [active]);
  return html`
    <nav class=${name} aria-label=${label} ref=${nav}>
      ${links.map(([one, title, href]) => html`<a href=${href} aria-current=${one === active ? 'page' : undefined}>${title}</a>`)}
      ${children}
    </nav>`;
}
