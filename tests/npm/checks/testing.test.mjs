// An app's own tests, as a front-end developer writes them: the shipping client, the fake server, no browser, no network.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { connect, PasskeyError } from 'passkey-accounts';
import { FakeServer, install, SoftwareAuthenticator } from 'passkey-accounts/testing';

const email = 'ada@example.org';
const minutes = 60_000;

let server, authenticator, uninstall, client;

async function start(options) {
  stop();
  server = new FakeServer(options);
  authenticator = new SoftwareAuthenticator();
  uninstall = install({ server, authenticator });
  client = await connect({ app: server.app, url: server.url });
}

async function startSignedIn(options) {
  await start(options);
  await server.addAccount(email, authenticator);
  return client.signIn({ email });
}

const until = (status, of = client) =>
  new Promise((resolve) => {
    const stop = of.subscribe(look);
    function look() {
      if (of.state.status !== status) return;
      stop();
      resolve(of.state);
    }
    look();
  });

const failsWith = (code) => (error) => error instanceof PasskeyError && (assert.equal(error.code, code), true);

const types = () => server.events.map(({ type }) => type);

function stop() {
  client?.close();
  uninstall?.();
}

beforeEach(() => start());

afterEach(stop);

test('a person signs up with the mailed code, signs out, and signs in', async () => {
  const pending = await client.signUp({ email: ' Ada@example.org ' });
  await assert.rejects(pending.verify('no code'), failsWith('wrongCode'));
  const { accountID } = await pending.verify(server.codeOf(email));
  assert.equal(client.state.status, 'signedIn');
  assert.equal(authenticator.passkeys.length, 1);
  await client.signOut();
  assert.deepEqual(client.state, { status: 'signedOut', reason: 'user' });
  assert.equal((await client.signIn({ email })).accountID, accountID);
  assert.deepEqual(types(), ['registered', 'passkeyAdded', 'loggedIn', 'loggedOut', 'loggedIn']);
});

test('an address that has an account is told so after its code, and not before', async () => {
  await server.addAccount(email, authenticator);
  const pending = await client.signUp({ email });
  await assert.rejects(pending.verify(server.codeOf(email)), failsWith('accountExists'));
});

test('an unknown address gets a prompt like any other, and the same credential every time', async () => {
  await assert.rejects(client.signIn({ email }), failsWith('cancelled'));
  assert.equal(authenticator.promptCount, 1);
});

test('a prompt that is closed, or taken away, cancels the call', async () => {
  await server.addAccount(email, authenticator);
  authenticator.answer = 'refuse';
  await assert.rejects(client.signIn({ email }), failsWith('cancelled'));
  authenticator.answer = 'wait';
  const controller = new AbortController();
  const call = client.signIn({ email, signal: controller.signal });
  await authenticator.prompted();
  controller.abort();
  await assert.rejects(call, failsWith('cancelled'));
  authenticator.answer = 'accept';
  await client.signIn({ email });
});

test('a device without fingerprint, face and PIN cannot sign in', async () => {
  await server.addAccount(email, authenticator);
  authenticator.verifiesUser = false;
  await assert.rejects(client.signIn({ email }), failsWith('cancelled'));
});

test('a passkey that was deleted signs in nowhere', async () => {
  await server.addAccount(email, authenticator);
  authenticator.forget();
  await assert.rejects(client.signIn({ email }), failsWith('cancelled'));
});

test('an error that the test asked for is the next answer, once', async () => {
  await server.addAccount(email, authenticator);
  server.failNext('signIn.begin', 'rateLimited', { retryAfterMs: 3000 });
  await assert.rejects(
    client.signIn({ email }),
    ({ code, retryable, retryAfterMs }) => (assert.deepEqual([code, retryable, retryAfterMs], ['rateLimited', true, 3000]), true),
  );
  await client.signIn({ email });
});

test('codes expire, and five wrong ones burn a code', async () => {
  const late = await client.signUp({ email });
  server.advance(10 * minutes);
  await assert.rejects(late.verify(server.codeOf(email)), failsWith('codeExpired'));
  const pending = await client.signUp({ email });
  for (let tries = 1; tries < 5; tries += 1) await assert.rejects(pending.verify('x'), failsWith('wrongCode'));
  await assert.rejects(pending.verify('x'), failsWith('tooManyAttempts'));
});

test('a prompt that was open for too long signs nobody in', async () => {
  await server.addAccount(email, authenticator);
  authenticator.answer = 'wait';
  const call = client.signIn({ email });
  await authenticator.prompted();
  server.advance(5 * minutes);
  authenticator.answer = 'accept';
  await assert.rejects(call, failsWith('challengeExpired'));
  assert.deepEqual(server.sessions, []);
});

test('a signature over another challenge, or from another origin, is rejected', async () => {
  await server.addAccount(email, authenticator);
  const { get } = navigator.credentials;
  navigator.credentials.get = ({ publicKey, ...rest }) => get({ ...rest, publicKey: { ...publicKey, challenge: new Uint8Array(32) } });
  await assert.rejects(client.signIn({ email }), failsWith('passkeyRejected'));
  const here = globalThis.origin;
  navigator.credentials.get = async (options) => {
    globalThis.origin = `${here}:444`;
    return get(options).finally(() => (globalThis.origin = here));
  };
  await assert.rejects(client.signIn({ email }), failsWith('passkeyRejected'));
});

test('a signature by another key is rejected', async () => {
  await server.addAccount(email, authenticator);
  const { get } = navigator.credentials;
  navigator.credentials.get = async (options) => {
    const credential = await get(options);
    const json = credential.toJSON();
    const [first, ...more] = json.response.signature;
    const spoiled = { ...json, response: { ...json.response, signature: [first, ...more.slice(0, -4), 'AAAA'].join('') } };
    return Object.assign(credential, { toJSON: () => spoiled });
  };
  await assert.rejects(client.signIn({ email }), failsWith('passkeyRejected'));
});

test('a challenge that the server bound to something else never reaches the authenticator', async () => {
  await server.addAccount(email, authenticator);
  const { get } = navigator.credentials;
  // Someone in between, who swaps the random part.
  const { parse } = JSON;
  JSON.parse = (text, ...more) => {
    const message = parse(text, ...more);
    if (message?.type === 'ceremony.get') message.data.binding.random = 'A'.repeat(43);
    return message;
  };
  const prompts = authenticator.promptCount;
  await assert.rejects(client.signIn({ email }), failsWith('challengeMismatch')).finally(() => (JSON.parse = parse));
  assert.equal(authenticator.promptCount, prompts);
  assert.equal(navigator.credentials.get, get);
});

test('a dropped connection is resumed within the grace time, without a prompt', async () => {
  const { sessionID } = await startSignedIn();
  const prompts = authenticator.promptCount;
  server.dropConnections();
  const { session } = await until('reconnecting');
  assert.equal(session.sessionID, sessionID);
  await until('signedIn');
  assert.equal(client.state.session.sessionID, sessionID);
  assert.equal(authenticator.promptCount, prompts);
  assert.ok(!types().includes('loggedOut'));
});

test('after the grace time the person is signed out', async () => {
  await startSignedIn();
  server.dropConnections();
  server.advance(30_000);
  const { reason } = await until('signedOut');
  assert.equal(reason, 'connectionLost');
  assert.equal(server.events.at(-1).reason, 'connectionLost');
});

test('a session that a back end ends is over in the page', async () => {
  const { sessionID } = await startSignedIn();
  server.revoke(sessionID);
  const { reason } = await until('signedOut');
  assert.equal(reason, 'revoked');
  assert.deepEqual(server.events.at(-1).reason, 'revoked');
});

test('a session is announced to end, and ends', async () => {
  await startSignedIn({ maxMs: 10 * minutes });
  server.advance(9.5 * minutes);
  await new Promise((resolve) => {
    if (client.state.expiringAt) resolve();
    else client.subscribe((state) => state.expiringAt && resolve());
  });
  assert.equal(client.state.status, 'signedIn');
  server.advance(minutes);
  assert.equal((await until('signedOut')).reason, 'absoluteTimeout');
});

test('closing the client ends its session', async () => {
  await startSignedIn();
  client.close();
  await until('closed');
  await Promise.resolve();
  assert.deepEqual(server.sessions, []);
  assert.equal(server.events.at(-1).reason, 'pageGone');
});

test('an action is confirmed exactly, or not at all', async () => {
  const session = await startSignedIn();
  const action = { pay: 12.5, to: 'Grace', items: ['b', 'a'] };
  const { confirmationID } = await session.confirm(action);
  const { type, ceremonyID, action: confirmed } = server.events.at(-1);
  assert.deepEqual([type, ceremonyID, confirmed], ['confirmed', confirmationID, action]);
  authenticator.answer = 'refuse';
  const before = server.events.length;
  await assert.rejects(session.confirm(action), failsWith('cancelled'));
  assert.equal(server.events.length, before);
  assert.equal(client.state.status, 'signedIn');
});

test('a second passkey is made, vouched for, named, used and removed', async () => {
  const session = await startSignedIn();
  const [first] = await session.passkeys.list();
  assert.equal(first.isCurrent, true);
  await assert.rejects(session.passkeys.remove(first.passkeyID), failsWith('lastPasskey'));
  // The platform has one already; the second is made on another device.
  const phone = new SoftwareAuthenticator({ isSynced: false });
  const { create } = navigator.credentials;
  navigator.credentials.create = (options) => phone.create(options);
  const second = await session.passkeys.add();
  navigator.credentials.create = create;
  assert.deepEqual([second.isCurrent, second.backedUp, phone.promptCount], [false, false, 1]);
  const named = await session.passkeys.rename(second.passkeyID, ' Phone ');
  assert.equal(named.name, 'Phone');
  await assert.rejects(session.passkeys.rename(second.passkeyID, ' '), failsWith('invalidName'));
  await session.passkeys.remove(second.passkeyID);
  assert.deepEqual((await session.passkeys.list()).map(({ passkeyID }) => passkeyID), [first.passkeyID]);
  assert.deepEqual(types().slice(-3), ['passkeyAdded', 'passkeyRenamed', 'passkeyRemoved']);
});

test('the same device does not get a second passkey', async () => {
  const session = await startSignedIn();
  await assert.rejects(session.passkeys.add(), failsWith('passkeyExists'));
});

test('a person sees where they are signed in, and signs out there', async () => {
  const session = await startSignedIn();
  const other = await connect({ app: server.app, url: server.url, persistence: 'page' });
  const elsewhere = await other.signIn({ email });
  const listed = await session.sessions.list();
  assert.deepEqual(listed.map(({ sessionID, isCurrent }) => [sessionID, isCurrent]), [[session.sessionID, true], [elsewhere.sessionID, false]]);
  assert.equal(await session.sessions.endOthers(), 1);
  assert.equal((await until('signedOut', other)).reason, 'user');
  assert.equal(client.state.status, 'signedIn');
  await assert.rejects(session.sessions.end(elsewhere.sessionID), failsWith('notFound'));
  other.close();
});

test('a page is told who signs in elsewhere and which passkey is added there, and nothing of itself', async () => {
  const session = await startSignedIn();
  const other = await connect({ app: server.app, url: server.url, persistence: 'page' });
  const [here, there] = [[], []];
  const told = new Promise((resolve) => client.onNews((news) => (here.push(news), here.length === 2 && resolve())));
  const stop = other.onNews((news) => there.push(news));
  const { sessionID } = await other.signIn({ email });
  const phone = new SoftwareAuthenticator({ isSynced: false });
  const { create } = navigator.credentials;
  navigator.credentials.create = (options) => phone.create(options);
  const { passkeyID } = await other.state.session.passkeys.add();
  navigator.credentials.create = create;
  await told;
  const [{ type, session: opened }, added] = here;
  assert.deepEqual([type, opened.sessionID, opened.isCurrent], ['sessionOpened', sessionID, false]);
  assert.deepEqual([added.type, added.passkey.passkeyID, added.passkey.isCurrent], ['passkeyAdded', passkeyID, false]);
  assert.deepEqual(there, []);
  stop();
  await session.sessions.end(sessionID);
  other.close();
});

test('a recovery is told and cancelled, or waited for and completed', async () => {
  const day = 24 * 60 * minutes;
  const session = await startSignedIn({ recoveryHoldMs: 3 * day, maxMs: 7 * day });
  const recover = async (recoveryCode) => {
    const other = await connect({ app: server.app, url: server.url, persistence: 'page' });
    const pending = await other.recover({ email });
    return pending.verify(server.codeOf(email), recoveryCode).finally(() => other.close());
  };
  const first = await session.makeRecoveryCode();
  assert.match(first, /^(\w{4}-){6}\w\w.$/);
  await assert.rejects(recover('nonsense'), failsWith('wrongRecoveryCode'));
  const held = await recover(first.toLowerCase());
  assert.equal(held.status, 'held');
  await new Promise((resolve) => {
    const look = (state) => state.recoveryUntil && resolve();
    client.subscribe(look);
    look(client.state);
  });
  assert.deepEqual(client.state.recoveryUntil, held.until);
  await session.cancelRecovery();
  await assert.rejects(recover(first), failsWith('wrongRecoveryCode'));

  // With a code that nobody had to click for.
  const second = server.makeRecoveryCode(email);
  await recover(second);
  server.advance(3 * day);
  const phone = new SoftwareAuthenticator({ isSynced: false });
  const { create } = navigator.credentials;
  navigator.credentials.create = (options) => phone.create(options);
  assert.deepEqual(await recover(second), { status: 'recovered' });
  navigator.credentials.create = create;
  assert.equal((await until('signedOut')).reason, 'recovered');
  await assert.rejects(recover(second), failsWith('wrongRecoveryCode'));
  assert.deepEqual(types().filter((type) => type.startsWith('recovery')), ['recoveryStarted', 'recoveryCancelled', 'recoveryStarted', 'recoveryCompleted']);
});

test('a recovery that nobody comes back for is over, and an app without recovery has none', async () => {
  const session = await startSignedIn();
  await assert.rejects(session.makeRecoveryCode(), failsWith('recoveryOff'));
  await client.signOut();
  await assert.rejects(client.recover({ email }), failsWith('recoveryOff'));
  await startSignedIn({ recoveryHoldMs: minutes });
  await client.signOut();
  const code = server.makeRecoveryCode(email);
  const pending = await client.recover({ email });
  await pending.verify(server.codeOf(email), code);
  server.advance(minutes + 7 * 24 * 60 * minutes);
  assert.deepEqual([server.events.at(-1).type, server.events.at(-1).reason], ['recoveryCancelled', 'expired']);
});

test('a server that is slow keeps the page waiting, and a signal ends that', async () => {
  const resume = server.pause();
  const controller = new AbortController();
  const call = client.signIn({ email, signal: controller.signal });
  controller.abort();
  await assert.rejects(call, failsWith('cancelled'));
  resume();
});

test('a server that stops is waited for', async () => {
  const { sessionID } = await startSignedIn();
  server.stop();
  await until('reconnecting');
  server.start();
  await until('signedIn');
  assert.equal(client.state.session.sessionID, sessionID);
});

test('another app, or a page of another origin, is not let in', async () => {
  await assert.rejects(connect({ app: 'app_00000000000000000000000000', url: server.url }), failsWith('connectionLost'));
  const elsewhere = new FakeServer({ origins: ['https://other.example'] });
  const undo = install({ server: elsewhere });
  await assert.rejects(connect({ app: elsewhere.app, url: elsewhere.url }), failsWith('connectionLost'));
  undo();
});

test('uninstalling puts everything back', async () => {
  client.close();
  uninstall();
  const names = ['WebSocket', 'PublicKeyCredential', 'origin', 'location', 'addEventListener'];
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  install({ server: new FakeServer(), authenticator: new SoftwareAuthenticator() })();
  assert.deepEqual(names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name)), before);
});
