// Holds the conversations of docs/transcripts.md and writes what was really said into the page. To be looked at before it is
// committed; the tests compare, and write nothing.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { read, ROOT } from './markdown.mjs';
import { held } from './transcript.mjs';

const PAGE = path.join(ROOT, 'docs/transcripts.md');
let text = readFileSync(PAGE, 'utf8');
for (const block of read('docs/transcripts.md').blocks) {
  if (block.words.includes('frames')) text = text.replace(`\`\`\`text frames\n${block.text}\`\`\``, `\`\`\`text frames\n${await held(block.text)}\`\`\``);
}
writeFileSync(PAGE, text);
