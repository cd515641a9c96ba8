import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts } from 'passkey-accounts/server';
import { apiKey, connect, url, world } from './world.mjs';

test('sessions are known while they are open', async (t) => {
  const live = connect(t).liveSessions();
  assert.throws(() => live.freshWithin(30_000), { code: 'stale', retryable: true });
  const before = await world('signIn', { email: 'ada@shop.example' });
  await live.inSync();
  assert.equal(live.freshWithin(30_000), live);
  const endings = live.endings();
  const session = await live.waitFor(before.sessionID);
  assert.equal(live.get(before.sessionID), session, 'the same object until it ends');
  assert.equal(session.accountID, before.accountID);
  assert.equal(live.isLoggedIn(before.accountID), true);
  assert.ok(session.since <= new Date() && session.expiresAt > new Date());

  const second = await world('signIn', { email: 'ada@shop.example' });
  await live.waitFor(second.sessionID);
  const ids = live.ofAccount(before.accountID).map(({ sessionID }) => sessionID);
  assert.deepEqual(ids.sort(), [before.sessionID, second.sessionID].sort());

  const ended = session.ended();
  await world('signOut', { page: before.page });
  assert.equal(await ended, 'user');
  assert.deepEqual([session.end, await session.ended()], ['user', 'user']);
  assert.equal(live.get(before.sessionID), undefined);
  const { sessionID, accountID } = before;
  assert.deepEqual((await endings.next()).value, { sessionID, accountID, ended: 'user', accountIsGone: false });
  await world('signOut', { page: second.page });
  assert.equal((await endings.next()).value.accountIsGone, true);
  assert.equal(live.isLoggedIn(before.accountID), false);
  assert.equal(live.size, 0);
  await endings.return();
});

test('a session that does not come is not waited for any longer', async (t) => {
  const live = connect(t).liveSessions();
  await live.inSync();
  const nobody = 'ses_00000000000000000000000000';
  await assert.rejects(live.waitFor(nobody, { timeoutMs: 1 }), { code: 'sessionGone' });
  await assert.rejects(live.waitFor('nonsense', { timeoutMs: 1 }), { code: 'sessionGone' });
  await assert.rejects(live.waitFor(nobody, { signal: AbortSignal.timeout(1) }), { code: 'cancelled' });
  const waits = Array.from({ length: 10_000 }, () => live.waitFor(nobody, { timeoutMs: 60_000 }).catch(({ code }) => code));
  await assert.rejects(live.waitFor(nobody), { code: 'overCapacity' });
  await live.close();
  assert.deepEqual(new Set(await Promise.all(waits)), new Set(['stale']));
});

test('a restart of the server is bridged: who held a session holds it still', async (t) => {
  const live = connect(t).liveSessions();
  await live.inSync();
  const before = await live.waitFor((await world('signIn', { email: 'ada@shop.example' })).sessionID);
  await world('restart');
  const again = await world('signIn', { email: 'ada@shop.example' });
  const held = await live.waitFor(again.sessionID, { timeoutMs: 20_000 });
  assert.equal(held.end, undefined);
  // Its page has not come back yet, and may for its grace time.
  assert.deepEqual([live.get(before.sessionID), before.end], [before, undefined]);
  await world('signOut', { page: again.page });
});

test('a key that is refused leaves nobody signed in', async (t) => {
  const live = Accounts.connect(url, 'pa_dev_nonsense').liveSessions();
  t.after(() => live.close());
  await assert.rejects(live.inSync(), { code: 'badKey' });
  assert.equal(live.failure.code, 'badKey');
  assert.throws(() => live.freshWithin(60_000), { code: 'stale' });
  await assert.rejects(live.waitFor('ses_00000000000000000000000000'), { code: 'stale' });
  assert.equal((await live.endings().next()).done, true);
});

test('who holds a session is told when nobody follows it any more', async () => {
  const accounts = Accounts.connect(url, apiKey);
  const live = accounts.liveSessions();
  assert.equal(accounts.liveSessions(), live, 'one connection, however often it is asked for');
  await live.inSync();
  const { page, sessionID } = await world('signIn', { email: 'ada@shop.example' });
  const session = await live.waitFor(sessionID);
  const ended = session.ended();
  await accounts.close();
  assert.equal(await ended, 'unfollowed');
  assert.equal(live.get(sessionID), undefined);
  assert.notEqual(accounts.liveSessions(), live);
  await accounts.close();
  await world('signOut', { page });
});
