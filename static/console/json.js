/**
 * JSON without loss: numbers keep their digits and keys their order, which `JSON.parse` does not promise. A state that is
 * edited here and saved changes in what was edited and nowhere else.
 */

/** As deep as the server reads. */
const MAX_DEPTH = 128;

/** A number, as it was written. */
export class JsonNumber {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** An object is a `Map`, a number a {@link JsonNumber}; everything else is what `JSON.parse` makes of it. */
export class JsonError extends Error {}

/**
 * Reads a text.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.skip();
  if (reader.at < text.length) reader.fail('something follows the value');
  return value;
}

class Reader {
  at = 0;

  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /** @param {string} what @returns {never} */
  fail(what) {
    const before = this.text.slice(0, this.at).split('\n');
    throw new JsonError(`Line ${before.length}, column ${(before.at(-1) ?? '').length + 1}: ${what}.`);
  }

  /** Takes what the pattern, which is sticky, finds here. @param {RegExp} pattern */
  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  skip() {
    this.take(/[ \t\r\n]*/y);
  }

  /** @param {string} mark */
  takes(mark) {
    this.skip();
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  /** @param {number} depth */
  value(depth) {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
    if (this.takes('{')) return this.object(depth);
    if (this.takes('[')) return this.array(depth);
    if (this.text[this.at] === '"') return this.string();
    const number = this.take(/-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);
    if (number) return new JsonNumber(number);
    const word = this.take(/(true|false|null)\b/y);
    if (word) return word === 'null' ? null : word === 'true';
    return this.fail(this.at < this.text.length ? 'a value is expected' : 'it ends too early');
  }

  string() {
    const text = this.take(/"([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (text === undefined) this.fail('this string has no end, or a character that must be escaped');
    return JSON.parse(/** @type {string} */ (text));
  }

  /** @param {number} depth */
  object(depth) {
    const members = new Map();
    if (this.takes('}')) return members;
    do {
      this.skip();
      if (this.text[this.at] !== '"') this.fail('a key in double quotes is expected');
      const start = this.at;
      const key = this.string();
      if (members.has(key)) {
        this.at = start;
        this.fail(`the key “${key}” is there twice`);
      }
      if (!this.takes(':')) this.fail('a colon is expected');
      members.set(key, this.value(depth + 1));
    } while (this.takes(','));
    if (!this.takes('}')) this.fail('a comma or the closing brace is expected');
    return members;
  }

  /** @param {number} depth */
  array(depth) {
    const items = [];
    if (this.takes(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.takes(','));
    if (!this.takes(']')) this.fail('a comma or the closing bracket is expected');
    return items;
  }
}

/**
 * Writes a value, on one line or indented by two spaces.
 * @param {any} value
 * @param {boolean} [isPretty]
 * @param {string} [margin]
 * @returns {string}
 */
export function write(value, isPretty = false, margin = '') {
  if (value instanceof JsonNumber) return value.text;
  const inner = `${margin}  `;
  /** @param {string[]} parts @param {string} open @param {string} close */
  const wrapped = (parts, open, close) => {
    if (parts.length === 0) return open + close;
    if (!isPretty) return open + parts.join(',') + close;
    return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${margin}${close}`;
  };
  if (Array.isArray(value)) return wrapped(value.map((item) => write(item, isPretty, inner)), '[', ']');
  if (value instanceof Map) {
    const colon = isPretty ? ': ' : ':';
    const members = [...value].map(([key, member]) => JSON.stringify(key) + colon + write(member, isPretty, inner));
    return wrapped(members, '{', '}');
  }
  return JSON.stringify(value);
}

/** @param {any} a @param {any} b */
export const isEqual = (a, b) => write(a) === write(b);
