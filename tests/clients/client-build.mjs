// What of clients/js is made from its source: the one-file build, which the server's page loads too, and the types.
// `npm run build` writes both; a test compares what is there with what would be written.

import { mkdtemp, readFile, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const TESTS = fileURLToPath(new URL('.', import.meta.url));
export const CLIENT = fileURLToPath(new URL('../../clients/js/', import.meta.url));
const BANNER = '/* clients/js */';
const run = promisify(execFile);

/** The files that are made, by their path below `clients/js`. */
export async function made() {
  const { outputFiles } = await build({
    entryPoints: [path.join(CLIENT, 'src/index.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    mangleProps: /^_/, // What begins so is of no use outside.
    banner: { js: BANNER },
    write: false,
  });
  return new Map([['dist/warren.js', outputFiles[0].text], ...(await types())]);
}

/** The types that TypeScript reads from the comments; it checks the source meanwhile. */
async function types() {
  const out = await mkdtemp(path.join(tmpdir(), 'warren-types-'));
  try {
    const compiler = path.join(TESTS, 'node_modules/typescript/bin/tsc');
    const roots = path.join(TESTS, 'node_modules/@types');
    await run(process.execPath, [compiler, '-p', CLIENT, '--outDir', out, '--typeRoots', roots]).catch(({ stdout }) => {
      throw new Error(stdout);
    });
    const names = (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.d.ts')).sort();
    return await Promise.all(names.map(async (name) => [`types/${name}`, await readFile(path.join(out, name), 'utf8')]));
  } finally {
    await rm(out, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await made();
  await rm(path.join(CLIENT, 'types'), { recursive: true, force: true });
  for (const [name, text] of files) {
    await mkdir(path.dirname(path.join(CLIENT, name)), { recursive: true });
    await writeFile(path.join(CLIENT, name), text);
    console.log(name, text.length);
  }
}
