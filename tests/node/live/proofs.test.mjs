import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { Accounts, problem } from 'passkey-accounts/server';
import { fields, signIn, token } from './page.mjs';
import { apiKey, connect, url, world } from './world.mjs';

const ORIGIN = 'https://app.example';
const ADDRESS = `${ORIGIN}/notes?a=%20b`;
const options = { origins: [ORIGIN] };

async function live(t) {
  const sessions = connect(t).liveSessions();
  await sessions.inSync();
  return sessions;
}

function request(address, headers, body, method = body === undefined ? 'GET' : 'POST') {
  return new Request(address, { method, headers, ...(body !== undefined && { body }) });
}

test('a signed request is known to be of its session, and its body is left', async (t) => {
  const sessions = await live(t);
  const ada = await signIn();
  // No wait for the news of the sign-in: the check itself waits.
  const got = await sessions.verify(request(ADDRESS, await fields(ada, 'GET', ADDRESS)), options);
  assert.equal(got.accountID, ada.accountID);
  assert.equal(got.session, sessions.get(ada.sessionID));
  const body = JSON.stringify({ text: 'milk' });
  const posted = request(ADDRESS, await fields(ada, 'POST', ADDRESS, body), body);
  assert.equal((await sessions.verify(posted, options)).accountID, ada.accountID);
  assert.equal(await posted.text(), body);
  // Behind a proxy that does TLS, the platform has another idea of the address.
  const behind = request('http://10.0.0.1:8080/notes?a=%20b', { ...(await fields(ada, 'GET', ADDRESS)), host: 'app.example' });
  assert.equal((await sessions.verify(behind, options)).accountID, ada.accountID);
  await world('signOut', { page: ada.page });
});

test('a back end that said its origins once needs to say nothing more', async (t) => {
  const accounts = Accounts.connect(url, apiKey, { WebSocket, origins: [ORIGIN] });
  t.after(() => accounts.close());
  await accounts.sessions.inSync();
  const ada = await signIn();
  const { accountID } = await accounts.sessions.verify(request(ADDRESS, await fields(ada, 'GET', ADDRESS)));
  assert.equal(accountID, ada.accountID);
  assert.equal(accounts.sessions, accounts.liveSessions());
  assert.ok(accounts.sessions.count > 0 && accounts.sessions.serverTime instanceof Date);
  // What a call says goes before it.
  const elsewhere = { origins: ['https://other.example'] };
  const again = request(ADDRESS, await fields(ada, 'GET', ADDRESS));
  await assert.rejects(accounts.sessions.verify(again, elsewhere), { code: 'proofInvalid' });
  const nowhere = connect(t);
  await assert.rejects(nowhere.sessions.verify(request(ADDRESS, {})), /TypeError|say where this back end is reached/);
  assert.throws(() => nowhere.middleware(), /say where this back end is reached/);
  assert.throws(() => Accounts.connect(url, apiKey, { origins: ['app.example'] }), TypeError);
  await world('signOut', { page: ada.page });
});

test('whatever was not signed like that is refused', async (t) => {
  const sessions = await live(t);
  const [ada, eve] = [await signIn(), await signIn('eve@shop.example')];
  await sessions.waitFor(ada.sessionID);
  await sessions.waitFor(eve.sessionID);
  const [body, now] = ['{"to":"bob"}', Date.now() / 1000];
  const signed = () => fields(ada, 'POST', ADDRESS, body);
  const ghost = { ...ada, sessionID: 'ses_00000000000000000000000000' };
  const refusals = {
    'no proof': ['proofMissing', request(ADDRESS, {}, body)],
    'another method': ['proofInvalid', request(ADDRESS, await signed(), body, 'PUT')],
    'another address': ['proofInvalid', request(`${ORIGIN}/notes`, await signed(), body)],
    'another body': ['proofInvalid', request(ADDRESS, await signed(), '{"to":"eve"}')],
    'no body': ['proofInvalid', request(ADDRESS, await signed(), '')],
    'a body that is not covered': ['proofInvalid', request(ADDRESS, await fields(ada, 'POST', ADDRESS), body)],
    'an origin that is not ours': ['proofInvalid', request('https://evil.example/', await fields(ada, 'POST', 'https://evil.example/', body), body)],
    'too old': ['proofExpired', request(ADDRESS, await fields(ada, 'POST', ADDRESS, body, { created: now - 90 }), body)],
    'from the future': ['proofExpired', request(ADDRESS, await fields(ada, 'POST', ADDRESS, body, { created: now + 90 }), body)],
    'the key of another session': ['proofInvalid', request(ADDRESS, await fields({ ...eve, sessionID: ada.sessionID }, 'POST', ADDRESS, body), body)],
    'no such session': ['sessionGone', request(ADDRESS, await fields(ghost, 'POST', ADDRESS, body), body)],
    'too large': ['tooLarge', request(ADDRESS, await fields(ada, 'POST', ADDRESS, 'x'.repeat(65)), 'x'.repeat(65))],
  };
  for (const [what, [code, refused]] of Object.entries(refusals)) {
    await assert.rejects(sessions.verify(refused, { ...options, bodyLimit: 64 }), { code }, what);
  }
  const replayed = await signed();
  await sessions.verify(request(ADDRESS, replayed, body), options);
  await assert.rejects(sessions.verify(request(ADDRESS, replayed, body), options), { code: 'proofReplayed' });
  // Of two at once, one passes.
  const twice = await signed();
  const both = await Promise.allSettled([1, 2].map(() => sessions.verify(request(ADDRESS, twice, body), options)));
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);

  const before = await signed();
  const out = sessions.get(ada.sessionID).ended();
  await world('signOut', { page: ada.page });
  await out;
  await assert.rejects(sessions.verify(request(ADDRESS, before, body), options), { code: 'sessionGone' });
  await world('signOut', { page: eve.page });
});

test('a socket proves itself with a token, once', async (t) => {
  const sessions = await live(t);
  const ada = await signIn();
  const asked = { audience: 'wss://app.example/live', nonce: 'bm9uY2U' };
  const proof = await token(ada, asked.audience, asked.nonce);
  const { accountID, session } = await sessions.verifySocket(proof, asked);
  assert.deepEqual([accountID, session.sessionID], [ada.accountID, ada.sessionID]);
  const refused = (token, code, wanted = asked) => assert.rejects(sessions.verifySocket(token, wanted), { code });
  await refused(proof, 'proofReplayed');
  await refused('', 'proofMissing');
  await refused(await token(ada, asked.audience, 'another'), 'proofInvalid');
  await refused(await token(ada, 'wss://evil.example/', asked.nonce), 'proofInvalid');
  await refused(await token(ada, asked.audience, asked.nonce, { iat: Math.floor(Date.now() / 1000) - 90 }), 'proofExpired');
  const forged = (await token(ada, asked.audience, asked.nonce)).slice(0, -8) + 'AAAAAAAA';
  await refused(forged, 'proofInvalid');
  await world('signOut', { page: ada.page });
});

test('without fresh knowledge nothing passes', async (t) => {
  const sessions = await live(t);
  const ada = await signIn();
  await sessions.waitFor(ada.sessionID);
  const signed = await fields(ada, 'GET', ADDRESS);
  await assert.rejects(sessions.verify(request(ADDRESS, signed), { ...options, freshWithinMs: 0 }), { code: 'stale' });
  assert.equal((await sessions.verify(request(ADDRESS, signed), options)).accountID, ada.accountID);
  await world('signOut', { page: ada.page });
  await sessions.close();
  await assert.rejects(sessions.verify(request(ADDRESS, signed), options), { code: 'stale' });
});

test('a refusal becomes problem details, and anything else is thrown again', async (t) => {
  const sessions = await live(t);
  const error = await sessions.verify(request(ADDRESS, {}), options).catch((error) => error);
  const response = problem(error);
  assert.equal(response.status, 401);
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  assert.equal(response.headers.get('www-authenticate'), 'passkey-accounts');
  const { title, code, detail } = await response.json();
  assert.deepEqual([title, code, detail], ['Unauthorized', 'proofMissing', error.message]);
  assert.throws(() => problem(new RangeError('ours')), RangeError);
  await assert.rejects(sessions.verify(request(ADDRESS, {}), { origins: ['app.example'] }), TypeError);
});
