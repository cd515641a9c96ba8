// The HTTP API: against the real server, and what it makes of servers that fail.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Accounts, ApiError, PasskeyError } from 'passkey-accounts/server';
import { signIn } from './page.mjs';
import { connect, next, world } from './world.mjs';

const KEY_PAIR = 'pa_pair_1040g2081040g2081040g2081040g2081040g2081040g2081040_d8e1ec3e';
const PUBLIC_KEY = 'E5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o';
const NOBODY = 'acct_00000000000000000000000000';

test('the app, sessions, accounts and passkeys are told', async (t) => {
  const { api } = connect(t);
  const ada = await signIn('api@shop.example');
  const app = await api.app();
  assert.match(app.appID, /^app_/);
  assert.ok(Array.isArray(app.origins));
  const { sessions, head } = await api.sessions({ accountID: ada.accountID, limit: 10 });
  assert.deepEqual(sessions.map(({ sessionID }) => sessionID), [ada.sessionID]);
  assert.ok(sessions[0].since instanceof Date && sessions[0].expiresAt > new Date());
  assert.equal(typeof head, 'string');
  const account = await api.account(ada.accountID);
  assert.deepEqual([account.passkeys, account.sessions], [1, 1]);
  assert.ok(account.createdAt instanceof Date);
  const [passkey] = await api.passkeys(ada.accountID);
  assert.ok(passkey.createdAt instanceof Date && typeof passkey.backedUp === 'boolean');
  await assert.rejects(api.removePasskey(ada.accountID, passkey.passkeyID), { code: 'lastPasskey', status: 409 });
  await api.endSession(ada.sessionID);
  await assert.rejects(api.endSession(ada.sessionID), (error) => {
    assert.ok(error instanceof ApiError && error instanceof PasskeyError);
    assert.deepEqual([error.code, error.status, error.retryable], ['notFound', 404, false]);
    return true;
  });
  await api.eraseAccount(ada.accountID);
  await assert.rejects(api.account(ada.accountID), { code: 'notFound' });
});

test('the log is read in pages, byte for byte, and a position that is gone is said', async (t) => {
  const accounts = connect(t);
  await world('append', { events: 5 });
  const page = await accounts.api.events({ limit: 2, types: ['*'] });
  assert.equal(page.events.length, 2);
  assert.ok(page.more && page.events[0].time instanceof Date);
  const after = await accounts.api.events({ after: page.next, limit: 500 });
  assert.equal(after.events.at(-1).type, 'loggedOut');
  assert.deepEqual(JSON.parse(after.events.at(-1).json), { ...after.events.at(-1).data });
  // What the socket says of the same entry is the same.
  const [last] = after.events.slice(-1);
  for await (const delivery of accounts.events({ after: after.events.at(-2).id })) {
    assert.deepEqual(delivery.item, last);
    delivery.ack();
    break;
  }
  // Only the number is changed: the hash at the end may hold hyphens too.
  const ahead = page.next.replace(/-\d+-/, '-999999-');
  await assert.rejects(accounts.api.events({ after: ahead }), (error) => {
    assert.deepEqual([error.code, error.status, error.gap.reason], ['gone', 410, 'ahead']);
    return true;
  });
  const checkpoint = await accounts.api.checkpoint();
  assert.equal(typeof checkpoint.head.sig, 'string');
});

test('keys are made, rotated, listed and revoked', async (t) => {
  const { api } = connect(t);
  const made = await api.createKey({ name: 'shipper', scopes: ['events:read'], expiresAt: new Date(Date.now() + 3_600_000) });
  assert.deepEqual(made.key.scopes, ['events:read']);
  assert.ok(made.key.expiresAt instanceof Date);
  const weak = connect(t, made.apiKey).api;
  await assert.rejects(weak.sessions(), { code: 'forbidden', status: 403 });
  await assert.rejects(weak.events({ limit: 501 }), { status: 400 });
  const rotated = await api.rotateKey(made.key.keyID, { overlapMs: 60_000 });
  assert.notEqual(rotated.apiKey, made.apiKey);
  await connect(t, rotated.apiKey).api.events();
  await api.revokeKey(made.key.keyID);
  await assert.rejects(weak.events(), { code: 'keyRevoked', status: 401 });
  const revoked = (await api.keys()).find(({ keyID }) => keyID === made.key.keyID);
  assert.ok(revoked.revokedAt instanceof Date);
  await assert.rejects(api.revokeKey('nonsense'), { code: 'notFound' });
  // An id is one segment of the path, whatever it holds.
  await assert.rejects(api.account(`${NOBODY}/passkeys`), { status: 404 });
});

/** A server that answers as it is told, one answer after the other, and what it was asked. */
async function told(t, ...answers) {
  const asked = [];
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    const [status, body, headers = {}] = answers[Math.min(asked.length, answers.length - 1)];
    asked.push({ method: request.method, url: request.url, headers: request.headers });
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  }).listen(0);
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://localhost:${server.address().port}`, asked };
}

const problem = (code, more = {}) => ({ type: 'about:blank', title: '', code, detail: `it is ${code}`, ...more });

test('a key pair signs for the stream and for the API', async (t) => {
  const { api } = connect(t);
  const known = await api.registerKeyPair(PUBLIC_KEY, { name: 'pair' });
  assert.deepEqual([known.publicKey, known.createdAt instanceof Date], [PUBLIC_KEY, true]);
  await assert.rejects(api.registerKeyPair(PUBLIC_KEY), { code: 'unexpected', status: 409 });
  const paired = connect(t, KEY_PAIR);
  const made = await paired.api.createKey({ name: 'ünal' });
  await paired.api.revokeKey(made.key.keyID);
  const events = paired.events();
  await next(events, 'snapshot');
  await api.revokeKey(known.keyID);
  await assert.rejects(paired.api.app(), { code: 'keyRevoked', status: 401 });
  await assert.rejects(connect(t, `${KEY_PAIR.slice(0, -1)}0`).api.app(), { code: 'badKey' });
});

test('what can pass is tried again, and a command is carried out once', async (t) => {
  const key = { apiKey: 'pa_dev_b', key: { createdAt: '2026-11-22T18:00:00.000Z' } };
  const server = await told(t, [503, problem('overCapacity', { retryAfterMs: 10 })], [502, '<html>'], [200, key]);
  const { api } = Accounts.connect(server.url, 'pa_dev_a');
  assert.equal((await api.createKey()).apiKey, 'pa_dev_b');
  const keys = server.asked.map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.ok(server.asked.every(({ method, url, headers }) => {
    return method === 'POST' && url === '/v1/keys' && headers.authorization === 'Bearer pa_dev_a';
  }));
});

test('after four tries the error is handed out, and one that cannot pass at once', async (t) => {
  const failing = await told(t, [500, 'out of order', { 'retry-after': '0' }]);
  await assert.rejects(Accounts.connect(failing.url, 'pa_dev_a').api.app(), { code: 'internal', status: 500, retryable: true });
  assert.equal(failing.asked.length, 4);
  const patient = await told(t, [429, problem('rateLimited', { retryAfterMs: 31_000 })]);
  await assert.rejects(Accounts.connect(patient.url, 'pa_dev_a').api.app(), { code: 'rateLimited', retryAfterMs: 31_000 });
  assert.equal(patient.asked.length, 1);
  const elsewhere = await told(t, [302, '', { location: failing.url }]);
  await assert.rejects(Accounts.connect(elsewhere.url, 'pa_dev_a').api.app(), { code: 'internal', retryable: false });
  const newer = await told(t, [418, problem('tooHot')]);
  await assert.rejects(Accounts.connect(newer.url, 'pa_dev_a').api.app(), { code: 'tooHot', message: 'it is tooHot', retryable: false });
  const other = await told(t, [200, 'hello']);
  await assert.rejects(Accounts.connect(other.url, 'pa_dev_a').api.app(), /cannot be read \(HTTP status 200\).*update this client/);
});

test('a refused key is asked for once more', async (t) => {
  const server = await told(t, [401, problem('keyExpired')], [200, { appID: 'app_x' }]);
  const keys = ['pa_dev_old', 'pa_dev_new'];
  const accounts = Accounts.connect(server.url, async () => keys.shift());
  assert.equal((await accounts.api.app()).appID, 'app_x');
  const same = await told(t, [401, problem('keyExpired')]);
  await assert.rejects(Accounts.connect(same.url, 'pa_dev_old').api.app(), { code: 'keyExpired', status: 401 });
  assert.equal(same.asked.length, 1);
  await assert.rejects(Accounts.connect(same.url, 'secret\n').api.app(), { code: 'badKey' });
});

test('a call that is given up ends, also between two tries', async (t) => {
  const server = await told(t, [503, problem('overCapacity', { retryAfterMs: 29_000 })]);
  const { api } = Accounts.connect(server.url, 'pa_dev_a');
  const controller = new AbortController();
  const called = api.app({ signal: controller.signal });
  while (server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort(new Error('enough'));
  await assert.rejects(called, (error) => error.code === 'cancelled' && error.cause.message === 'enough');
});

test('a server that is not there is said, and no key goes out in the clear', async () => {
  const { api } = Accounts.connect('http://localhost:1', 'pa_dev_a');
  await assert.rejects(api.app(), { code: 'connectionLost', retryable: true, message: /cannot be reached/ });
  assert.throws(() => Accounts.connect('http://auth.example', 'pa_dev_a'), { code: 'badAddress' });
});
