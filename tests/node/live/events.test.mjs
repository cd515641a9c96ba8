import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Accounts, PasskeyError } from 'passkey-accounts/server';
import { apiKey, connect, next, reaches, url, world } from './world.mjs';

test('a view begins with the open sessions and follows the log', async (t) => {
  const before = await world('signIn', { email: 'ada@shop.example' });
  const events = connect(t).events({ types: ['*'] });
  const snapshot = await next(events, 'snapshot');
  assert.deepEqual([snapshot.item.first, snapshot.item.last], [true, true]);
  const [session] = snapshot.item.sessions.filter(({ sessionID }) => sessionID === before.sessionID);
  assert.equal(session.accountID, before.accountID);
  assert.ok(session.since instanceof Date && session.expiresAt > new Date());
  snapshot.ack();

  await world('signOut', { page: before.page });
  const out = await next(events);
  assert.equal(out.item.type, 'loggedOut');
  assert.equal(out.item.data.reason, 'user');
  assert.equal(out.item.data.sessionID, before.sessionID);
  assert.deepEqual(JSON.parse(out.item.json), { ...out.item.data });
  assert.deepEqual(out.position, { consumer: '', lane: 0, id: out.item.id, lease: 0 });
  out.ack();

  const again = await world('signIn', { email: 'ada@shop.example' });
  const login = await next(events);
  assert.equal(login.item.type, 'loggedIn');
  assert.equal(login.item.data.sessionID, again.sessionID);
  assert.ok(login.item.data.expiresAt instanceof Date && login.item.time instanceof Date);
  assert.equal(login.item.data.sessionKey.crv, 'P-256');
  assert.equal(typeof login.item.data.evidence.signature, 'string');
  login.ack();
  await world('signOut', { page: again.page });
});

test('a restart of the server loses nothing and repeats nothing', async (t) => {
  const events = connect(t).events({ start: 'now' });
  await next(events, 'bookmark').then((mark) => mark.ack());
  await world('append', { events: 10 });
  const seen = [];
  for (let number = 0; number < 5; number++) {
    const delivery = await next(events);
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  await world('restart');
  await world('append', { events: 10 });
  while (seen.length < 20) {
    const delivery = await next(events);
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  assert.deepEqual(seen, seen.map((_, index) => seen[0] + index));
});

test('an item that fails, or is passed over, comes again', async (t) => {
  const events = connect(t).events({ start: 'now' });
  await next(events, 'bookmark').then((mark) => mark.ack());
  await world('append', { events: 2 });
  const failed = await next(events);
  failed.fail();
  const again = await next(events);
  assert.equal(again.item.id, failed.item.id);
  // Neither acknowledged nor kept: asking for the next says that it was not handled.
  const third = await next(events);
  assert.equal(third.item.id, failed.item.id);
  third.ack();
  third.fail();
  const second = await next(events);
  assert.equal(second.item.seq, third.item.seq + 1);
  second.ack();
});

test('an item of a loop over items is handled when the next one is asked for', async (t) => {
  const accounts = connect(t);
  const options = { consumer: 'looping', start: 'now' };
  const events = accounts.events(options);
  assert.equal(events.deliveries(), events);
  await reaches(events, 'live');
  await world('append', { events: 3 });
  const seen = [];
  for await (const item of events.items()) {
    seen.push(item.seq);
    if (seen.length === 2) break;
  }
  assert.equal(events.status.status, 'closed');
  // The loop was left with the second one in hand: it was not handled.
  for await (const item of accounts.events(options).items()) {
    assert.equal(item.seq, seen[1]);
    break;
  }
});

test('a wait that is given up takes no item with it', async (t) => {
  const events = connect(t).events({ start: 'now' });
  await next(events, 'bookmark').then((mark) => mark.ack());
  let given = 0;
  const seen = [];
  const appended = (async () => {
    for (let round = 0; round < 20; round++) await world('append', { events: 5 });
  })();
  while (seen.length < 100) {
    try {
      const { value: delivery } = await events.next({ signal: AbortSignal.timeout(1) });
      if (delivery.item.kind === 'event') seen.push(delivery.item.seq);
      delivery.ack();
    } catch (error) {
      assert.equal(error.code, 'cancelled');
      given += 1;
    }
  }
  await appended;
  assert.deepEqual(seen, seen.map((_, index) => seen[0] + index));
  assert.ok(given > 0);
});

test('what is left in the middle of a loop comes again from the position', async (t) => {
  const accounts = connect(t);
  const seen = [];
  const first = accounts.events({ start: 'now' });
  await next(first, 'bookmark').then((mark) => mark.ack());
  await world('append', { events: 10 });
  let position;
  for await (const delivery of first) {
    if (delivery.item.kind !== 'event') continue;
    if (seen.length === 4) break;
    seen.push(delivery.item.seq);
    delivery.ack();
    position = delivery.position.id;
  }
  assert.equal(first.status.status, 'closed');
  assert.equal((await first.next()).done, true);
  const second = accounts.events({ after: position });
  while (seen.length < 10) {
    const delivery = await next(second);
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  assert.deepEqual(seen, seen.map((_, index) => seen[0] + index));
});

test('a slow handler is not sent more than its window and loses nothing', async (t) => {
  const events = connect(t).events({ start: 'now', window: 4, inHand: 4 });
  await next(events, 'bookmark').then((mark) => mark.ack());
  await world('append', { events: 50 });
  const held = [];
  while (held.length < 4) {
    const delivery = await next(events);
    delivery.keep();
    held.push(delivery);
  }
  await assert.rejects(events.next({ signal: AbortSignal.timeout(200) }), { code: 'cancelled' });
  const seen = held.map(({ item }) => item.seq);
  for (const delivery of held) delivery.ack();
  while (seen.length < 50) {
    const delivery = await next(events);
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  assert.deepEqual(seen, seen.map((_, index) => seen[0] + index));
});

test('a delivery that was kept and then forgotten comes again', async (t) => {
  const events = connect(t).events({ start: 'now', inHand: 2 });
  await next(events, 'bookmark').then((mark) => mark.ack());
  await world('append', { events: 1 });
  const forget = async () => {
    const delivery = await next(events);
    delivery.keep();
    return delivery.item.id;
  };
  const forgotten = await forget();
  const collecting = setInterval(() => globalThis.gc(), 20);
  t.after(() => clearInterval(collecting));
  const again = await next(events);
  assert.equal(again.item.id, forgotten);
  again.ack();
});

test('run handles the lanes side by side and repeats what throws', async (t) => {
  const events = connect(t).events({ start: 'now' });
  const done = new AbortController();
  const [handled, errors] = [[], []];
  let hasThrown = false;
  const run = events.run(
    async (item) => {
      if (item.kind !== 'event') return;
      if (!hasThrown) {
        hasThrown = true;
        throw new Error('the database is locked');
      }
      handled.push(item.seq);
      if (handled.length === 3) done.abort();
    },
    { concurrency: 2, signal: done.signal, onError: (error, item) => errors.push([error.message, item.seq]) },
  );
  await reaches(events, 'live');
  await world('append', { events: 3 });
  await assert.rejects(run, { code: 'cancelled' });
  assert.deepEqual(handled, handled.map((_, index) => handled[0] + index));
  assert.deepEqual(errors, [['the database is locked', handled[0]]]);
});

test('a revoked key ends the stream, unless the provider has another', async (t) => {
  const { key } = await world('makeKey');
  const fixed = connect(t, key).events({ start: 'now' });
  let current = key;
  const rotating = connect(t, async () => current).events({ start: 'now' });
  for (const events of [fixed, rotating]) await next(events, 'bookmark').then((mark) => mark.ack());
  current = apiKey;
  await world('revokeKey', { key });
  await assert.rejects(next(fixed), (error) => {
    assert.ok(error instanceof PasskeyError);
    assert.deepEqual([error.code, error.retryable], ['keyRevoked', false]);
    return true;
  });
  assert.equal((await fixed.next()).done, true);
  assert.equal(fixed.failure.code, 'keyRevoked');
  await world('append', { events: 1 });
  const delivery = await next(rotating);
  assert.equal(delivery.item.type, 'loggedOut');
  delivery.ack();
});

test('a key that was never one, and an address that is none, are said', async (t) => {
  await assert.rejects(next(connect(t, 'pa_dev_nonsense').events()), { code: 'badKey' });
  const elsewhere = Accounts.connect(url.replace('http', 'ws') + '/', apiKey);
  await elsewhere.close();
  for (const address of ['', 'auth.example', 'ftp://auth.example', 'http://auth.example']) {
    assert.throws(() => Accounts.connect(address, apiKey), { code: 'badAddress' });
  }
  assert.throws(() => connect(t).events({ window: 0 }), RangeError);
});

test('an aborted signal ends the stream and says so once', async (t) => {
  const controller = new AbortController();
  const events = connect(t).events({ start: 'now', signal: controller.signal });
  await next(events, 'bookmark').then((mark) => mark.ack());
  const waiting = events.next();
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, (error) => error.code === 'cancelled' && error.cause.message === 'enough');
  assert.equal((await events.next()).done, true);
  assert.equal(events.status.status, 'closed');
});

test('the package ws is found where the platform has no WebSocket', async (t) => {
  const events = connect(t, apiKey, {}).events({ start: 'now' });
  await next(events, 'bookmark').then((mark) => mark.ack());
  await events.close();
});

test('a process ends by itself once everything is closed', async () => {
  const script = new URL('leaving.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const late = setTimeout(() => child.kill(), 10_000);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(late);
  assert.deepEqual([code, signal], [0, null]);
});
