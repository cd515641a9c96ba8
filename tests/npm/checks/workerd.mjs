// The server entry in workerd, where WebAssembly comes as a compiled module and code runs only while a request is answered.
// Bundled as an application would be, with the condition `workerd`; prints what the worker answered.

import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const out = 'out/workerd';
mkdirSync(out, { recursive: true });

writeFileSync(`${out}/app.js`, `
  import { Accounts } from 'passkey-accounts/server';
  export default {
    async fetch(request, { url, apiKey, appID }) {
      const accounts = Accounts.connect(url, apiKey);
      const pins = { load: () => undefined, save: () => {} };
      const careful = Accounts.connect(url, apiKey, { evidence: { appID, rpID: 'localhost', origins: [url], pins } });
      try {
        const live = accounts.liveSessions();
        await live.inSync();
        const refusal = await live.verify(request, { origins: [new URL(request.url).origin] }).catch((error) => error);
        const proven = await careful.sessions.inSync().then(() => careful.sessions.size, (error) => error.code);
        return Response.json({ sessions: live.size, refusal: refusal.code, proven });
      } catch (error) {
        return Response.json({ failed: String(error), code: error.code });
      } finally {
        await Promise.all([accounts.close(), careful.close()]);
      }
    },
  };
`);
execFileSync('node_modules/.bin/esbuild', [
  `${out}/app.js`, '--bundle', '--format=esm', '--conditions=workerd', '--external:*.wasm', `--outfile=${out}/worker.js`,
]);
copyFileSync('node_modules/passkey-accounts/dist/server.wasm', `${out}/server.wasm`);

const text = (value) => JSON.stringify(value);
writeFileSync(`${out}/config.capnp`, `
  using Workerd = import "/workerd/workerd.capnp";
  const config :Workerd.Config = (
    services = [(name = "app", worker = .app), (name = "compatible", worker = .compatible), (name = "internet", network = (allow = ["private", "local", "public"]))],
    sockets = [
      (name = "app", address = "127.0.0.1:0", http = (), service = "app"),
      (name = "compatible", address = "127.0.0.1:0", http = (), service = "compatible"),
    ],
  );
  ${worker('app', [])}
  ${worker('compatible', ['nodejs_compat'])}
`);

function worker(name, flags) {
  return `const ${name} :Workerd.Worker = (
    modules = [
      (name = "worker.js", esModule = embed "worker.js"),
      (name = "server.wasm", wasm = embed "server.wasm"),
    ],
    bindings = [
      (name = "url", text = ${text(process.env.PASSKEY_ACCOUNTS_URL)}),
      (name = "apiKey", text = ${text(process.env.PASSKEY_ACCOUNTS_API_KEY)}),
      (name = "appID", text = ${text(process.env.PASSKEY_ACCOUNTS_APP_ID)}),
    ],
    compatibilityDate = "2026-01-01",
    compatibilityFlags = [${flags.map(text)}],
  );`;
}

// The program itself, without the package around it that installs one for every platform.
const workerd = spawn(`node_modules/@cloudflare/workerd-linux-64/bin/workerd`, ['serve', `${out}/config.capnp`, '--control-fd=3'], {
  stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
});
try {
  const ports = new Map();
  for await (const line of createInterface({ input: workerd.stdio[3] })) {
    const { event, socket, port } = JSON.parse(line);
    if (event !== 'listen') continue;
    ports.set(socket, port);
    if (ports.size === 2) break;
  }
  for (const name of ['app', 'compatible']) {
    const answer = await fetch(`http://localhost:${ports.get(name)}/`, { signal: AbortSignal.timeout(30_000) });
    console.log(await answer.text());
  }
} finally {
  workerd.kill();
}
