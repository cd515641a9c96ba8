// A back end in another runtime than Node, with the WebSocket that it brings: run by Bun and by Deno (tests/it/node).
// Everything is closed in the end, so the process must end by itself.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { Accounts } from 'passkey-accounts/server';
import { SEEDS, replay } from '../replay/client.mjs';
import { replay as replayProofs } from '../replay/proofs.mjs';
import { clients, counts } from '../replay/transcripts.mjs';
import { fields, signIn, token } from './page.mjs';
import { apiKey, next, reaches, url, world } from './world.mjs';

const ORIGIN = 'https://app.example';
const ADDRESS = `${ORIGIN}/notes`;

const accounts = Accounts.connect(url, apiKey, { origins: [ORIGIN] });
const { sessions } = accounts;
await sessions.inSync();

// State, then events; a server that is killed is come back to.
const ada = await signIn('runtime@shop.example');
const events = accounts.events();
const state = await next(events, 'snapshot');
assert.ok(state.item.sessions.some(({ sessionID }) => sessionID === ada.sessionID));
state.ack();
const lost = reaches(events, 'waiting');
await world('kill');
await lost;
await world('start');
await world('append', { events: 2 });
const first = await next(events);
first.ack();
const second = await next(events);
second.ack();
assert.deepEqual([first.item.type, second.item.seq], ['loggedOut', first.item.seq + 1]);

// Who sent this request?
const eve = await signIn('runtime@shop.example');
const body = '{"to":"bob"}';
const ask = async (changed = body) => {
  const headers = await fields(eve, 'POST', ADDRESS, body);
  return sessions.verify(new Request(ADDRESS, { method: 'POST', headers, body: changed }));
};
const { accountID, session } = await ask();
assert.equal(accountID, eve.accountID);
await assert.rejects(ask('{"to":"eve"}'), { code: 'proofInvalid' });
const asked = { audience: 'chat', nonce: 'n-1' };
const made = await token(eve, asked.audience, asked.nonce);
assert.equal((await sessions.verifySocket(made, asked)).accountID, eve.accountID);
await assert.rejects(sessions.verifySocket(made, asked), { code: 'proofReplayed' });

// A sign-in that no passkey has signed is not believed.
const { appID, rpID, origins } = await accounts.api.app();
const pinned = () => {
  let kept;
  return { appID, rpID, origins, pins: { load: () => kept, save: (text) => void (kept = text) } };
};
const careful = Accounts.connect(url, apiKey, { evidence: pinned() });
await careful.sessions.waitFor(eve.sessionID, { timeoutMs: 20_000 });
const seen = [];
const readSignIns = async () => {
  for await (const item of careful.events({ evidence: pinned() }).items()) if (item.type === 'loggedIn') seen.push(item.data.sessionID);
};
const { sessionID: forged } = await world('forge', { page: eve.page });
await assert.rejects(readSignIns(), { code: 'evidenceForged', retryable: false });
assert.ok(seen.includes(eve.sessionID) && !seen.includes(forged));
await assert.rejects(careful.sessions.waitFor(forged), { code: 'stale' });
assert.equal(careful.sessions.failure.code, 'evidenceForged');
await careful.close();

// The API ends the session, and whoever holds it is told.
await accounts.api.endSession(eve.sessionID);
assert.equal(await session.ended(), 'revoked');
await assert.rejects(accounts.api.account('acct_00000000000000000000000000'), { code: 'notFound', status: 404 });

// A key that is revoked ends the stream.
const { key } = await world('makeKey');
const other = Accounts.connect(url, key);
const fixed = other.events({ start: 'now' });
await next(fixed, 'bookmark').then((mark) => mark.ack());
await world('revokeKey', { key });
await assert.rejects(next(fixed), { code: 'keyRevoked', retryable: false });

await accounts.close();
await other.close();

// All vectors, a few seeds each.
const folder = new URL('../../vectors/', import.meta.url);
const read = (file) => readFileSync(new URL(file, folder), 'utf8');
const files = readdirSync(new URL('stream/', folder)).filter((file) => file.endsWith('.jsonl'));
const transcripts = clients(files.map((file) => [file, read(`stream/${file}`)]));
const some = SEEDS.filter((_, index) => index % 5 === 0);
const differences = transcripts.map((transcript) => some.map((seed) => replay(transcript, seed)).find(Boolean));
let cases = 0;
for (const file of ['requests.json', 'sockets.json']) {
  const vectors = JSON.parse(read(`proof/${file}`));
  differences.push(...(await replayProofs(vectors)).differences);
  cases += vectors.cases.length;
}
assert.deepEqual(differences.filter(Boolean), []);
for (const said of counts(transcripts)) console.log(said);
console.log(`replayed proof ${cases}`);
