// What the READMEs show of a page, run: tests/it/docs.rs compares the lines.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from 'passkey-accounts';
import { FakeServer, install, SoftwareAuthenticator } from 'passkey-accounts/testing';

const email = 'ada@example.org';

test('a person signs up, asks for something, confirms something, and signs in again', async (t) => {
  const server = new FakeServer();
  const { app, url } = server;
  t.after(install({ server, authenticator: new SoftwareAuthenticator() }));
  const sent = t.mock.method(globalThis, 'fetch', async (request) => new Response(request.headers.get('signature-input')));

  const client = await connect({ app, url });
  t.after(() => client.close());
  const signUp = await client.signUp({ email });           // mails a code
  const code = server.codeOf(email);
  let session = await signUp.verify(code);                 // makes a passkey, signs in

  await session.fetch('https://app.example/notes');        // signed: your back end knows who asks
  await session.confirm({ delete: 'note 7' });             // a fresh gesture over exactly this; arrives as an event

  await client.signOut();
  session = await client.signIn({ email });                // later: one passkey prompt

  const [request] = sent.mock.calls[0].arguments;
  assert.match(request.headers.get('signature-input'), /^pa=.*tag="passkey-accounts"$/);
  const types = server.events.map(({ type }) => type);
  assert.deepEqual(types, ['registered', 'passkeyAdded', 'loggedIn', 'confirmed', 'loggedOut', 'loggedIn']);
  assert.equal(session.accountID, server.events[0].accountID);
});
