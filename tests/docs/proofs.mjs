// Tests that pages name as proofs.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './markdown.mjs';

/** That a test is there which is named as `docs/promises.md` names them; a page by itself has to be there. @param {string} name */
export function prove(name) {
  if (name === 'cargo test --doc') return;
  const [, rust, fn] = /^(\S+\.rs)::(\w+)$/.exec(name) ?? [];
  const [, node, title] = /^(\S+\.mjs): "?(.+?)"?$/.exec(name) ?? [];
  const text = readFileSync(path.join(ROOT, rust ?? node ?? name), 'utf8');
  if (rust && !new RegExp(`#\\[(\\w+::)*test[^\\]]*\\]\\s*(#\\[[^\\]]*\\]\\s*)*(async )?fn ${fn}\\(`).test(text)) throw new Error(`${rust} has no test ${fn}`);
  if (node && !['\'', '"', '`'].some((quote) => text.includes(`est(${quote}${title}${quote},`))) throw new Error(`${node} has no test ${title}`);
}
