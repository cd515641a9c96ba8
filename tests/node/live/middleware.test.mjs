import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import { test } from 'node:test';
import { serve } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { fields, signIn } from './page.mjs';
import { connect, world } from './world.mjs';

/** The frameworks, each with the same routes: who am I, and what did I send? */
const frameworks = {
  async node(middleware) {
    const server = createServer((request, response) => {
      middleware(request, response, async (error) => {
        if (error) return response.writeHead(500).end();
        let body = '';
        for await (const chunk of request) body += chunk;
        response.end(JSON.stringify({ accountID: request.account?.accountID, ...(body && { text: JSON.parse(body).text }) }));
      });
    }).listen(0);
    await once(server, 'listening');
    return { port: server.address().port, close: () => server.close() };
  },

  async express(middleware) {
    const app = express();
    const notes = express.Router();
    notes.use(middleware, express.json());
    notes.all('/', (request, response) => {
      response.json({ accountID: request.account?.accountID, text: request.body?.text });
    });
    app.use('/notes', notes);
    const server = app.listen(0);
    await once(server, 'listening');
    return { port: server.address().port, close: () => server.close() };
  },

  async 'express with bodies parsed before'(middleware) {
    const app = express();
    app.use(express.json({ verify: (request, _, bytes) => { request.rawBody = bytes; } }), middleware);
    app.all('/notes', (request, response) => {
      response.json({ accountID: request.account?.accountID, text: request.body?.text });
    });
    const server = app.listen(0);
    await once(server, 'listening');
    return { port: server.address().port, close: () => server.close() };
  },

  async fastify(middleware) {
    const app = fastify();
    app.addHook('onRequest', middleware);
    app.all('/notes', async (request) => ({ accountID: request.account?.accountID, text: request.body?.text }));
    await app.listen({ port: 0 });
    return { port: app.server.address().port, close: () => app.close() };
  },

  async hono(middleware) {
    const app = new Hono();
    app.use(middleware);
    app.all('/notes', async (c) => {
      const body = c.req.method === 'POST' ? await c.req.json() : {};
      return c.json({ accountID: c.get('account')?.accountID, text: body.text });
    });
    const server = serve({ fetch: app.fetch, port: 0 });
    await once(server, 'listening');
    return { port: server.address().port, close: () => server.close() };
  },
};

const HOST = 'app.example';
const ADDRESS = `https://${HOST}/notes`;

/** Behind a proxy that does TLS and hands the host on. */
function ask(port, method, headers, body, chunked = false) {
  return new Promise((resolve, reject) => {
    const length = body === undefined || chunked ? {} : { 'content-length': Buffer.byteLength(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = send({ port, method, path: '/notes', headers: { host: HOST, ...length, ...type, ...headers } });
    request.on('error', reject);
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, body: JSON.parse(text) });
    });
    if (chunked) for (const part of body.match(/.{1,5000}/gs)) request.write(part);
    request.end(chunked ? undefined : body);
  });
}

for (const [name, start] of Object.entries(frameworks)) {
  test(`in ${name}, signed requests reach their handler with account and body, and no others`, async (t) => {
    const accounts = connect(t);
    await accounts.liveSessions().inSync();
    const options = { origins: [`https://${HOST}`], bodyLimit: 100_000 };
    const { port, close } = await start(accounts.middleware(options));
    t.after(close);
    const ada = await signIn();
    const { accountID } = ada;

    const got = await ask(port, 'GET', await fields(ada, 'GET', ADDRESS));
    assert.deepEqual([got.status, got.body], [200, { accountID }]);
    assert.equal(got.headers['cache-control'], 'no-store');

    for (const text of ['milk', 'x'.repeat(90_000)]) {
      for (const chunked of [false, true]) {
        const body = JSON.stringify({ text });
        const posted = await ask(port, 'POST', await fields(ada, 'POST', ADDRESS, body), body, chunked);
        assert.deepEqual([posted.status, posted.body], [200, { accountID, text }]);
      }
    }

    const missing = await ask(port, 'GET', {});
    assert.deepEqual([missing.status, missing.body.code], [401, 'proofMissing']);
    assert.equal(missing.headers['content-type'], 'application/problem+json');
    const changed = await ask(port, 'POST', await fields(ada, 'POST', ADDRESS, '{"text":"a"}'), '{"text":"b"}');
    assert.deepEqual([changed.status, changed.body.code], [401, 'proofInvalid']);
    const large = JSON.stringify({ text: 'x'.repeat(100_000) });
    if (name !== 'express with bodies parsed before') {
      for (const chunked of [false, true]) {
        const refused = await ask(port, 'POST', await fields(ada, 'POST', ADDRESS, large), large, chunked);
        assert.deepEqual([refused.status, refused.body.code], [413, 'tooLarge']);
      }
    }
    const otherHost = await ask(port, 'GET', { ...(await fields(ada, 'GET', ADDRESS)), host: 'evil.example' });
    assert.deepEqual([otherHost.status, otherHost.body.code], [401, 'proofInvalid']);

    const optional = await start(accounts.middleware({ ...options, optional: true }));
    t.after(optional.close);
    assert.deepEqual(await ask(optional.port, 'GET', {}).then(({ status, body }) => [status, body]), [200, {}]);
    const bad = await ask(optional.port, 'GET', await fields(ada, 'PUT', ADDRESS));
    assert.deepEqual([bad.status, bad.body.code], [401, 'proofInvalid']);
    await world('signOut', { page: ada.page });
  });
}

test('a body that somebody else has read is said to be one', async (t) => {
  const accounts = connect(t);
  await accounts.liveSessions().inSync();
  const app = express();
  app.use(express.json(), accounts.middleware({ origins: [`https://${HOST}`] }));
  app.use((error, _request, response, _next) => response.status(500).json({ message: error.message }));
  const server = app.listen(0);
  await once(server, 'listening');
  t.after(() => server.close());
  const ada = await signIn();
  const answer = await ask(server.address().port, 'POST', await fields(ada, 'POST', ADDRESS, '{}'), '{}');
  assert.equal(answer.status, 500);
  assert.match(answer.body.message, /before the body parser/);
  await world('signOut', { page: ada.page });
});
