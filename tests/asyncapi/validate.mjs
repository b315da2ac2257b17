// Reads docs/asyncapi.json with AsyncAPI's own parser, which install.sh puts into target/asyncapi. Errors and warnings are failures.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { Parser } = createRequire(`${ROOT}target/asyncapi/`)('@asyncapi/parser');
/** The least of what the parser calls an information. */
const INFORMATION = 2;

const { document, diagnostics } = await new Parser().parse(await readFile(`${ROOT}docs/asyncapi.json`, 'utf8'));
for (const { severity, code, path, message } of diagnostics) {
  console.log(`${severity < INFORMATION ? 'fault' : 'note'}: ${path.join('.')}: ${code}: ${message}`);
}
const faults = diagnostics.filter(({ severity }) => severity < INFORMATION);
if (!document || faults.length > 0) process.exit(1);
console.log(`AsyncAPI's parser reads ${document.operations().length} operations and finds no fault`);
