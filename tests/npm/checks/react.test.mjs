// React on a server, in the oldest version that is supported and the newest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';

const script = `
  import { createElement } from 'react';
  import { renderToString } from 'react-dom/server';
  import { PasskeyProvider, useAccounts, useSession } from 'passkey-accounts/react';

  export const seen = [];
  function Status() {
    const accounts = useAccounts();
    seen.push(accounts);
    return createElement('p', null, accounts.status, useSession() ? ' with a session' : ' without');
  }
  export const render = () => renderToString(createElement(PasskeyProvider, { app: 'app_x' }, createElement(Status)));
  export const renderAlone = () => renderToString(createElement(Status));
`;

async function bundled(alias) {
  const stdin = { contents: script, resolveDir: process.cwd() };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: 'esm', platform: 'node', alias, logLevel: 'silent', banner: { js: REQUIRE } });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

// react-dom/server is CommonJS and asks for Node's own modules.
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire('${process.cwd()}/x.js');`;

for (const [version, alias] of [[19, {}], [18, { react: 'react18', 'react-dom': 'react-dom18' }]]) {
  test(`React ${version} renders "connecting" on a server and connects to nothing`, async () => {
    const { render, seen } = await bundled(alias);
    const before = globalThis.WebSocket;
    Object.defineProperty(globalThis, 'WebSocket', { configurable: true, value: () => assert.fail('a server connected') });
    const html = render();
    Object.defineProperty(globalThis, 'WebSocket', { configurable: true, value: before });
    assert.equal(html.replaceAll('<!-- -->', ''), '<p>connecting without</p>');
    assert.ok(seen.every(Object.isFrozen));
  });

  test(`React ${version} says what is missing around a hook`, async () => {
    const { renderAlone } = await bundled(alias);
    assert.throws(renderAlone, /inside <PasskeyProvider>/);
  });
}
