import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fields, signIn } from './page.mjs';
import { world } from './world.mjs';

const EXAMPLE = new URL('../../../examples/node/check-requests.mjs', import.meta.url).pathname;

function start(t, env) {
  const child = spawn(process.execPath, [EXAMPLE], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill());
  return child;
}

test('the example keeps notes for who signs their requests', async (t) => {
  const child = start(t, { ORIGIN: 'http://localhost:3000' });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: first } = await lines.next();
  const port = /port (\d+)/.exec(first)[1];
  // The page thinks that it is at port 3000.
  const ask = async (session, method, body, path = '/notes', onText = () => {}) => {
    const headers = await fields(session, method, `http://localhost:3000${path}`, body);
    return new Promise((resolve) => {
      const asked = request({ port, method, path, headers: { host: 'localhost:3000', ...headers } });
      asked.on('response', async (response) => {
        let text = '';
        for await (const chunk of response) {
          if (text === '') onText();
          text += chunk;
        }
        resolve({ status: response.statusCode, text });
      });
      asked.end(body);
    });
  };
  const [ada, eve] = [await signIn(), await signIn('eve@shop.example')];
  assert.equal((await ask(ada, 'POST', 'milk')).status, 201);
  assert.deepEqual(JSON.parse((await ask(ada, 'GET')).text), { accountID: ada.accountID, notes: ['milk'] });
  assert.deepEqual(JSON.parse((await ask(eve, 'GET')).text), { accountID: eve.accountID, notes: [] });
  assert.equal((await ask({ ...ada, privateKey: eve.privateKey }, 'GET')).status, 401);
  // An answer that is open ends with its session.
  const watching = await ask(ada, 'GET', undefined, '/notes/watch', () => world('signOut', { page: ada.page }));
  assert.equal(watching.text, 'watching\nended: user\n');
  assert.equal((await lines.next()).value, `signed out: ${ada.accountID}`);
  assert.equal(JSON.parse((await ask(ada, 'GET')).text).code, 'sessionGone');
  await world('signOut', { page: eve.page });
});

test('the example says what is wrong with a bad key', async (t) => {
  const child = start(t, { PASSKEY_ACCOUNTS_API_KEY: 'pa_dev_nonsense' });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'exit');
  assert.equal(code, 1);
  assert.match(said, /the API key is missing, misspelt or unknown/);
});
