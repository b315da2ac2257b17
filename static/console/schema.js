/** JSON Schema, as the API's own documents use it: said to people in words, and turned into an example. */

/** So deep is an example filled in. */
const DEPTH = 4;

/** What a schema refers to, with what stands beside the reference. @param {any} schema @param {any} document */
export function resolved(schema, document) {
  if (!schema?.$ref) return schema ?? {};
  const path = schema.$ref.slice(2).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const target = path.reduce((value, part) => value?.[part], document) ?? {};
  return { ...target, ...Object.fromEntries(Object.entries(schema).filter(([name]) => name !== '$ref')) };
}

/** The name of what a schema refers to. @param {any} schema @returns {string | undefined} */
export const nameOf = (schema) => schema?.$ref?.split('/').at(-1);

/** What a value of a schema is, in a few words. @param {any} schema @param {any} document @returns {string} */
export function kindOf(schema, document) {
  const { type, anyOf, enum: words, const: only, items, ...rest } = resolved(schema, document);
  if (only !== undefined) return JSON.stringify(only);
  if (words) return words.map((word) => JSON.stringify(word)).join(' | ');
  if (anyOf) return [...new Set(anyOf.map((one) => nameOf(one) ?? kindOf(one, document)))].join(' or ');
  if (type === undefined) return 'any JSON';
  const kinds = [type].flat();
  const said = kinds.map((kind) => (kind === 'array' ? `list of ${nameOf(items) ?? kindOf(items, document)}` : kind)).join(' or ');
  return [said, ...bounds(rest)].join(', ');
}

/** The bounds of a value. */
function* bounds({ format, minimum, maximum, minLength, maxLength, maxItems, pattern }) {
  if (format) yield format;
  if (minimum !== undefined && maximum !== undefined) yield `${minimum} to ${maximum}`;
  else if (minimum !== undefined) yield `from ${minimum}`;
  if (maxLength !== undefined) yield `${minLength ?? 0} to ${maxLength} characters`;
  if (maxItems !== undefined) yield `at most ${maxItems}`;
  if (pattern) yield `like ${pattern}`;
}

/** The members that a schema tells of, of whichever of its forms has most. @param {any} schema @param {any} document */
export function membersOf(schema, document) {
  const { properties, required = [], anyOf, items } = resolved(schema, document);
  if (properties) return Object.entries(properties).map(([name, member]) => ({ name, member, isNeeded: required.includes(name) }));
  const inside = [...(anyOf ?? []), ...(items ? [items] : [])].map((one) => membersOf(one, document));
  return inside.sort((one, other) => other.length - one.length)[0] ?? [];
}

/** A value that a schema lets pass, with what it needs and nothing else. @param {any} schema @param {any} document */
export function sampleOf(schema, document, depth = DEPTH) {
  const { type, anyOf, enum: words, const: only, format, minimum, properties = {}, required = [], examples } = resolved(schema, document);
  if (examples) return examples[0];
  if (only !== undefined) return only;
  if (words) return words[0];
  const kind = [type].flat()[0];
  if (anyOf && kind !== 'object') return sampleOf(anyOf[0], document, depth);
  if (kind === 'object') {
    const needed = depth > 0 ? required : [];
    return Object.fromEntries(needed.map((name) => [name, sampleOf(properties[name], document, depth - 1)]));
  }
  if (kind === 'string') return { 'date-time': '2030-01-01T00:00:00Z', uri: 'https://example.com/hook' }[format] ?? 'text';
  return { array: [], integer: minimum ?? 0, number: minimum ?? 0, boolean: true, null: null }[kind] ?? null;
}

/** A text between single quotes for a shell. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The line that makes a call from a shell. @param {string} base where the server is @param {any} call @param {any} document */
export function curlLine(base, { method, path, operation }, document) {
  const parts = { project: '@this', channel: 'room' };
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => parts[name] ?? name.toUpperCase());
  const line = ['curl'];
  if (method !== 'get') line.push('-X', method.toUpperCase());
  const url = new URL(filled.slice(1), base);
  for (const one of operation.parameters ?? []) {
    const { in: place, required, name } = resolved(one, document);
    if (place === 'query' && required) url.searchParams.set(name, name.toUpperCase());
  }
  line.push(quoted(url.href));
  if (operation.security?.length) line.push('-H', '"Authorization: Bearer $WARREN_TOKEN"');
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type) line.push('-H', quoted(`Content-Type: ${type}`), '-d', quoted(JSON.stringify(sampleOf(content.schema, document) ?? {})));
  return line.join(' ');
}
