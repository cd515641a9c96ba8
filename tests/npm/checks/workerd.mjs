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
    async fetch(request, { url, apiKey }) {
      const accounts = Accounts.connect(url, apiKey);
      try {
        const live = accounts.liveSessions();
        await live.inSync();
        const refusal = await live.verify(request, { origins: [new URL(request.url).origin] }).catch((error) => error);
        return Response.json({ sessions: live.size, refusal: refusal.code });
      } catch (error) {
        return Response.json({ failed: String(error), code: error.code });
      } finally {
        await accounts.close();
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
    services = [(name = "app", worker = .app), (name = "internet", network = (allow = ["private", "local", "public"]))],
    sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "app")],
  );
  const app :Workerd.Worker = (
    modules = [
      (name = "worker.js", esModule = embed "worker.js"),
      (name = "server.wasm", wasm = embed "server.wasm"),
    ],
    bindings = [
      (name = "url", text = ${text(process.env.PASSKEY_ACCOUNTS_URL)}),
      (name = "apiKey", text = ${text(process.env.PASSKEY_ACCOUNTS_API_KEY)}),
    ],
    compatibilityDate = "2026-01-01",
  );
`);

// The program itself, without the package around it that installs one for every platform.
const workerd = spawn(`node_modules/@cloudflare/workerd-linux-64/bin/workerd`, ['serve', `${out}/config.capnp`, '--control-fd=3'], {
  stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
});
try {
  for await (const line of createInterface({ input: workerd.stdio[3] })) {
    const { event, port } = JSON.parse(line);
    if (event !== 'listen') continue;
    const answer = await fetch(`http://localhost:${port}/`, { signal: AbortSignal.timeout(30_000) });
    console.log(await answer.text());
    break;
  }
} finally {
  workerd.kill();
}
