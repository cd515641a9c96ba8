// Builds the app as it is with one bundler, by its own command line and without a configuration: node build.mjs vite out/vite

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const COMMANDS = {
  vite: (out) => ['vite', 'build', 'app', '--outDir', out, '--emptyOutDir', '--logLevel', 'warn'],
  webpack: (out) => ['webpack', './app/main.js', '-o', out, '--mode', 'production'],
  esbuild: (out) => ['esbuild', 'app/main.js', '--bundle', '--format=esm', `--outdir=${out}`],
  rollup: (out) => ['rollup', 'app/main.js', '--dir', out, '--plugin', 'node-resolve'],
  parcel: (out) => ['parcel', 'build', 'app/index.html', '--dist-dir', out, '--no-cache', '--no-source-maps'],
  bun: (out) => ['bun', 'build', 'app/index.html', '--outdir', out],
  'react-19': (out) => ['esbuild', 'app/react.js', '--bundle', '--format=esm', `--outdir=${out}`],
  'react-18': (out) => [...COMMANDS['react-19'](out), '--alias:react=react18', '--alias:react-dom=react-dom18'],
};

/** These build scripts only. */
const WITHOUT_HTML = ['webpack', 'esbuild', 'rollup'];

const [, , name, folder] = process.argv;
const out = join(process.cwd(), folder);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
if (name === 'import-map') {
  cpSync('app', out, { recursive: true });
  cpSync('node_modules/passkey-accounts/dist', join(out, 'passkey-accounts'), { recursive: true });
  const map = { imports: { 'passkey-accounts': './passkey-accounts/index.js' } };
  const html = readFileSync('app/index.html', 'utf8');
  const mapped = html.replace('<script', `<script type="importmap">${JSON.stringify(map)}</script>\n  <script`);
  writeFileSync(join(out, 'index.html'), mapped);
} else {
  const [program, ...options] = COMMANDS[name](out);
  execFileSync(join('node_modules/.bin', program), options, { stdio: 'inherit' });
  if (WITHOUT_HTML.includes(name)) cpSync('app/index.html', join(out, 'index.html'));
  if (name.startsWith('react')) cpSync('app/react.html', join(out, 'index.html'));
}
