// What sdk-wasm/npm/README.md shows of back ends, run: tests/it/docs.rs compares the lines.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Accounts, PasskeyError, fileCheckpoint, filePins } from 'passkey-accounts/server';
import { fields, signIn } from './page.mjs';
import { apiKey, url, world } from './world.mjs';

function connect(t) {
  const accounts = Accounts.connect(url, apiKey, { origins: ['https://app.example'] });
  t.after(() => accounts.close());
  return accounts;
}

/** Something that the application does, and the first thing that it was done with. */
function effect() {
  let doIt = () => {};
  const done = new Promise((resolve) => {
    doIt = resolve;
  });
  return [doIt, done];
}

test('items, one after the other', async (t) => {
  const accounts = connect(t);
  const [greet, greeted] = effect();
  const follow = async () => {
    for await (const item of accounts.events({ consumer: 'billing' }).items()) {
      if (item.kind === 'event' && item.type === 'loggedIn') await greet(item.data.accountID);
    }
  };
  const followed = follow();
  let [greetedID, ada] = [undefined, undefined];
  greeted.then((accountID) => {
    greetedID = accountID;
  });
  // A session that is opened before the stream begins is part of its state, and no event.
  while (greetedID === undefined) {
    ada = await signIn('readme@shop.example');
    await world('signOut', { page: ada.page });
  }
  assert.equal(greetedID, ada.accountID);
  await accounts.close();
  await followed;
});

test('deliveries, by hand', async (t) => {
  const accounts = connect(t);
  const [record, recorded] = effect();
  const follow = async () => {
    for await (const delivery of accounts.events({ consumer: 'ledger', start: 'earliest' })) {
      await record(delivery.position);
      delivery.ack(); // or fail(): then it comes again
    }
  };
  await world('append', { events: 1 });
  const followed = follow();
  assert.equal((await recorded).consumer, 'ledger');
  await accounts.close();
  await followed;
});

test('live sessions, and who sent a request', async (t) => {
  const accounts = connect(t);
  const [closeSocketsOf, closed] = effect();
  const [forgetCachesOf, forgotten] = effect();
  const { sessions } = accounts;
  await sessions.inSync();
  const follow = async () => {
    for await (const end of sessions.endings()) closeSocketsOf(end.sessionID);
  };
  const followed = follow();
  const ada = await signIn('readme@shop.example');
  const headers = await fields(ada, 'GET', 'https://app.example/notes');
  const request = new Request('https://app.example/notes', { headers });
  const { accountID, session } = await sessions.verify(request); // throws a PasskeyError
  session.ended().then(() => forgetCachesOf(session));
  assert.equal(accountID, ada.accountID);
  const { sessionID } = session;
  assert.equal(sessions.freshWithin(30_000).get(sessionID)?.accountID, accountID);

  const { sessions: open } = await accounts.api.sessions({ accountID });
  await accounts.api.endSession(sessionID);
  assert.deepEqual(open.map((one) => one.sessionID), [sessionID]);
  assert.equal(await closed, sessionID);
  assert.equal(await forgotten, session);
  await assert.rejects(accounts.api.endSession(sessionID), PasskeyError);
  await accounts.close();
  await followed;
});

test('evidence', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'readme-'));
  const path = join(folder, 'shop.pins');
  const { appID, rpID, origins } = await connect(t).api.app();
  const ada = await signIn('careful@shop.example');
  const evidence = { appID, rpID, origins, pins: filePins(path) };
  const accounts = Accounts.connect(url, apiKey, { origins: ['https://app.example'], evidence });
  t.after(async () => {
    // Which saves the pins.
    await accounts.close();
    await rm(folder, { recursive: true });
  });
  await accounts.sessions.inSync();
  assert.equal(accounts.sessions.get(ada.sessionID)?.accountID, ada.accountID);
});

test('a witness', async (t) => {
  const accounts = connect(t);
  const folder = await mkdtemp(join(tmpdir(), 'readme-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'log.checkpoint');
  const [{ x }] = (await (await fetch(`${url}/.well-known/jwks.json`)).json()).keys;
  await world('append', { events: 1 });
  const witness = { keys: [x], checkpoint: fileCheckpoint(path) };
  const [audit, audited] = effect();
  const follow = async () => {
    for await (const item of accounts.events({ types: ['*'], start: 'earliest', witness }).items()) {
      await audit(item);
    }
  };
  const followed = follow();
  assert.ok((await audited).kind);
  await accounts.close();
  await followed;
});
