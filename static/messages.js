/** The messages of the quick-start page: a line each, newest first; filtered, held back, opened, saved as a file. */

import { element, showJson } from './json_text.js';

/** So many are at hand. */
const KEPT = 200;
/** So much of the data stands in a line. */
const LINE_CHARS = 200;

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** @typedef {{event: string, data: any, missed: number | null, isDirect?: boolean, at: Date}} Heard */

/** One message: a line, and the whole of it once it is opened. @param {Heard} message */
function lineOf({ isDirect, event, data, missed, at }) {
  const item = element('li', 'message fresh');
  const whole = element('details', '');
  const line = element('summary', '');
  const time = element('time', '', clock.format(at));
  time.dateTime = at.toISOString();
  line.append(time, element('span', 'event', event), element('span', 'text', JSON.stringify(data).slice(0, LINE_CHARS)));
  if (isDirect) line.append(element('span', 'muted', 'direct message'));
  whole.append(line);
  whole.addEventListener('toggle', () => {
    if (!whole.open || whole.querySelector('pre')) return;
    const body = element('pre', 'json');
    showJson(body, data);
    whole.append(body);
  });
  if (missed !== 0) item.append(element('p', 'gap', 'Messages before this one may be missing.'));
  item.append(whole);
  return item;
}

export class MessageList {
  /** @type {{message: Heard, text: string, item: HTMLElement}[]} newest first */
  #shown = [];
  /** What came while it was paused. @type {Heard[]} */
  #held = [];
  #count = 0;
  #filter = '';
  #isPaused = false;
  #parts;

  /**
   * @param {{list: HTMLElement, count: HTMLElement, empty: HTMLElement, tools: HTMLElement, filter: HTMLInputElement,
   *   pause: HTMLElement, clear: HTMLElement, save: HTMLElement, none: HTMLElement}} parts of the page
   */
  constructor(parts) {
    this.#parts = parts;
    parts.filter.addEventListener('input', () => this.#choose(parts.filter.value.toLowerCase()));
    parts.pause.addEventListener('click', () => this.#pause(!this.#isPaused));
    parts.clear.addEventListener('click', () => this.clear());
    parts.save.addEventListener('click', () => this.#save());
  }

  /** Takes what has come. @param {Heard[]} messages oldest first */
  add(messages) {
    this.#count += messages.length;
    if (this.#isPaused) {
      this.#held.push(...messages);
      this.#held.splice(0, this.#held.length - KEPT);
    } else this.#show(messages);
    this.#tell();
  }

  clear() {
    this.#shown = [];
    this.#held = [];
    this.#count = 0;
    this.#parts.list.replaceChildren();
    this.#pause(false);
  }

  #show(messages) {
    const fresh = messages.map((message) => {
      const text = `${message.event} ${JSON.stringify(message.data)}`.toLowerCase();
      const item = lineOf(message);
      item.hidden = !text.includes(this.#filter);
      return { message, text, item };
    }).reverse();
    this.#shown.unshift(...fresh);
    for (const { item } of this.#shown.splice(KEPT)) item.remove();
    this.#parts.list.prepend(...fresh.filter(({ item }) => this.#shown.some((one) => one.item === item)).map(({ item }) => item));
  }

  #choose(filter) {
    this.#filter = filter;
    for (const { text, item } of this.#shown) item.hidden = !text.includes(filter);
    this.#tell();
  }

  #pause(isPaused) {
    this.#isPaused = isPaused;
    this.#parts.pause.setAttribute('aria-pressed', String(isPaused));
    if (!isPaused) this.#show(this.#held.splice(0));
    this.#tell();
  }

  /** How many there are, and what can be done with them. */
  #tell() {
    const { list, count, empty, tools, none, save } = this.#parts;
    const found = this.#shown.filter(({ item }) => !item.hidden).length;
    count.textContent = String(this.#count);
    tools.hidden = this.#count === 0;
    list.hidden = save.disabled = found === 0;
    none.hidden = found > 0 || this.#shown.length === 0;
    empty.hidden = this.#count > 0;
  }

  /** Hands what is shown to the browser as lines of JSON. */
  #save() {
    const lines = this.#shown.filter(({ item }) => !item.hidden)
      .map(({ message: { at, event, data } }) => `${JSON.stringify({ at, e: event, d: data })}\n`);
    const url = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }));
    Object.assign(document.createElement('a'), { href: url, download: 'messages.ndjson' }).click();
    URL.revokeObjectURL(url);
  }
}
