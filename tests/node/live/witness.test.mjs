// The witness over the real server's log.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileCheckpoint } from 'passkey-accounts/server';
import { connect, next, url, world } from './world.mjs';

async function keysOfTheServer() {
  const { keys } = await (await fetch(`${url}/.well-known/jwks.json`)).json();
  return keys.map(({ x }) => x);
}

async function file(t) {
  const folder = await mkdtemp(join(tmpdir(), 'witness-'));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, 'log.checkpoint');
}

/** Handles this many events. */
async function handle(events, count) {
  for (let number = 0; number < count; number++) {
    const delivery = await next(events);
    delivery.ack();
  }
}

test('a log that only grows is read to its end, and remembered', async (t) => {
  const [accounts, keys, path] = [connect(t), await keysOfTheServer(), await file(t)];
  const options = { types: ['*'], start: 'earliest', witness: { keys, checkpoint: fileCheckpoint(path) } };
  await world('append', { events: 50 });
  const first = accounts.events(options);
  await handle(first, 50);
  await first.close();
  const before = JSON.parse(await readFile(path, 'utf8'));
  assert.match(before.hash, /^[\w-]{43}$/);
  assert.match(before.appID, /^app_/);
  await world('append', { events: 10 });
  const second = accounts.events({ ...options, after: before.position });
  await handle(second, 10);
  await second.close();
  const after = JSON.parse(await readFile(path, 'utf8'));
  assert.equal(Number(after.position.split('-')[1]), Number(before.position.split('-')[1]) + 10);

  // Another hash at the position that was read last: what is there now is not what was there.
  await writeFile(path, JSON.stringify({ ...after, hash: before.hash, position: after.position }));
  const third = accounts.events({ ...options, after: after.position });
  await world('append', { events: 1 });
  await assert.rejects(handle(third, 1), { code: 'logRewritten', retryable: false });
  assert.equal(third.failure.code, 'logRewritten');
  assert.equal((await third.next()).done, true);
  assert.equal(third.status.status, 'closed');
});

test('a checkpoint of another log, one that cannot be read, and keys that are none end the stream', async (t) => {
  const [accounts, keys, path] = [connect(t), await keysOfTheServer(), await file(t)];
  const ends = async (witness, expected, more = {}) => {
    const events = accounts.events({ types: ['*'], start: 'earliest', witness, ...more });
    await assert.rejects(next(events), expected);
  };
  await writeFile(path, '{"pos');
  await ends({ keys, checkpoint: fileCheckpoint(path) }, { code: 'unexpected', message: /checkpoint cannot be read/ });
  await ends({ keys, checkpoint: fileCheckpoint(`${path}/x`) }, { code: 'internal', message: /checkpoint cannot be read/ });
  await ends({ keys: ['AQ'], checkpoint: fileCheckpoint(`${path}2`) }, { code: 'unexpected', message: /"AQ": not the x/ });
  await ends({ keys, checkpoint: fileCheckpoint(`${path}2`) }, { code: 'unexpected', message: /a witness reads a view/ }, { consumer: 'w', start: 'now' });
  await writeFile(path, '{"appID":"app_081040g2081040g2081040g208","position":"vvvv-1-Q7hB2cX0"}');
  await ends({ keys, checkpoint: fileCheckpoint(path) }, { code: 'logRewritten', message: /log of app_/ });
});

test('a head that another key signed is worth nothing', async (t) => {
  const accounts = connect(t);
  // Nobody's key of this server: that of the transcripts.
  const keys = ['6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw'];
  let saved;
  const checkpoint = { load: () => saved, save: (text) => void (saved = text) };
  const events = accounts.events({ types: ['*'], start: 'earliest', witness: { keys, checkpoint } });
  await world('append', { events: 1_000 });
  await assert.rejects(handle(events, 5_000), { code: 'logRewritten', message: /signed with a key that is not pinned/ });
});
