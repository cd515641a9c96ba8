// Pins against the real server, which lies in the end. What it does not have is anybody's passkey.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { filePins } from 'passkey-accounts/server';
import { apiKey, connect, next, world } from './world.mjs';

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'evidence-'));
  // What is closed after this may still save its pins.
  t.after(() => rm(path, { recursive: true, maxRetries: 10 }));
  return path;
}

/** What a back end's configuration says of its app. */
async function app(t) {
  const { appID, rpID, origins } = await connect(t).api.app();
  return { appID, rpID, origins };
}

/** Handles this account's events up to this sign-in, and gives their types. */
async function typesUntil(events, { accountID, sessionID }) {
  const types = [];
  for (;;) {
    const delivery = await next(events);
    delivery.ack();
    const { type, data } = delivery.item;
    if (data?.accountID === accountID) types.push(type);
    if (type === 'loggedIn' && data.sessionID === sessionID) return types;
  }
}

test('pins that have come to the head of a quiet log wait for nothing', async (t) => {
  const evidence = { ...(await app(t)), pins: filePins(join(await folder(t), 'pins')) };
  const { sessionID, page } = await world('signIn', { email: 'quiet@shop.example' });
  const before = connect(t, apiKey, { WebSocket, evidence });
  await before.sessions.waitFor(sessionID, { timeoutMs: 20_000 });
  await before.close();
  const { sessions } = connect(t, apiKey, { WebSocket, evidence });
  // The server's next word would be 20 seconds away.
  await sessions.inSync({ signal: AbortSignal.timeout(10_000) });
  assert.ok(sessions.get(sessionID));
  await world('signOut', { page });
});

test('real sign-ins pass, and one that no pinned passkey signed is refused', async (t) => {
  const [path, known] = [await folder(t), await app(t)];
  const pins = (name) => ({ ...known, pins: filePins(join(path, name)) });
  const person = () => world('signIn', { email: 'pinned@shop.example' });
  const first = await person();
  await world('signOut', { page: first.page });
  const again = await person();

  const { sessions } = connect(t, apiKey, { WebSocket, evidence: pins('sessions') });
  const held = await sessions.waitFor(again.sessionID, { timeoutMs: 20_000 });
  await sessions.inSync();
  assert.equal(sessions.get(first.sessionID), undefined);
  const before = connect(t).events({ evidence: pins('events') });
  const types = await typesUntil(before, again);
  assert.deepEqual(types, ['registered', 'passkeyAdded', 'loggedIn', 'loggedOut', 'loggedIn']);
  await before.close();
  const saved = JSON.parse(await readFile(join(path, 'events'), 'utf8'));
  assert.deepEqual(Object.keys(saved.sessions), [again.sessionID]);
  assert.ok(saved.accounts[again.accountID]);

  const third = await person();
  await sessions.waitFor(third.sessionID, { timeoutMs: 20_000 });

  const { sessionID: forged } = await world('forge', { page: third.page });
  // A stream that begins anew with the same pins finds it too.
  for (let attempt = 0; attempt < 2; attempt++) {
    const events = connect(t).events({ evidence: pins('events') });
    const seen = [];
    const read = async () => {
      for await (const item of events.items()) if (item.type === 'loggedIn') seen.push(item.data.sessionID);
    };
    await assert.rejects(read(), { code: 'evidenceForged', retryable: false });
    assert.equal(events.failure.code, 'evidenceForged');
    assert.ok(!seen.includes(forged), 'what is forged is not handed over');
    assert.ok(seen.length === 0 || seen.at(-1) === third.sessionID, 'what is true is');
    assert.equal((await events.next()).done, true);
  }
  assert.equal(await held.ended(), 'unfollowed');
  await assert.rejects(sessions.inSync(), { code: 'evidenceForged' });
  assert.equal(sessions.failure.code, 'evidenceForged');
  await assert.rejects(sessions.waitFor(forged), { code: 'stale' });
  assert.equal(sessions.get(third.sessionID), undefined);
  assert.equal(sessions.isLoggedIn(third.accountID), undefined);
});

test('nothing is handed over behind what is forged', async (t) => {
  const known = await app(t);
  const ada = await world('signIn', { email: 'behind@shop.example' });
  await world('forge', { page: ada.page });
  await world('append', { events: 20 });
  let saved;
  const pins = { load: () => undefined, save: (text) => void (saved = text) };
  const events = connect(t).events({ evidence: { ...known, pins }, window: 4_096 });
  await assert.rejects(typesUntil(events, { sessionID: 'none' }), { code: 'evidenceForged' });
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  await events.close();
  assert.ok(JSON.parse(saved).position, 'what was handled before is remembered');
});

test('pins of another app, those that cannot be read and streams without them end at once', async (t) => {
  const [path, known] = [await folder(t), await app(t)];
  const ends = async (more, expected, options = {}) => {
    const evidence = { ...known, pins: filePins(join(path, 'pins')), ...more };
    const events = connect(t).events({ evidence, ...options });
    await assert.rejects(next(events), expected);
    assert.equal(events.status.status, 'closed');
  };
  await ends({ appID: 'shop' }, { code: 'unexpected', message: /"shop" is no app's id/ });
  await ends({}, { code: 'unexpected', message: /checked in a view/ }, { consumer: 'billing' });
  await ends({}, { code: 'unexpected', message: /needs all event types/ }, { types: ['loggedIn'] });
  await ends({}, { code: 'unexpected', message: /begins where its pins end/ }, { after: 'vvvv-1-Q7hB2cX0' });
  for (const broken of ['', '{"acc', '{} {}', 'null']) {
    await writeFile(join(path, 'pins'), broken);
    await ends({}, { code: 'internal', message: /pins cannot be read/ });
  }
  await ends({ pins: filePins(join(path, 'pins', 'x')) }, { code: 'internal', message: /pins cannot be read/ });
  const loading = { load: () => Promise.reject(new Error('the vault is closed')), save: () => {} };
  const { sessions } = connect(t, apiKey, { WebSocket, evidence: { ...known, pins: loading } });
  await assert.rejects(sessions.inSync(), { code: 'internal', message: /pins cannot be read: the vault is closed/ });
});
