// Every transcript that is about a client, replayed by the machine that back ends get.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isExpectedOfTheClient, replay } from './client.mjs';
import { all } from './transcripts.mjs';

/** Jitter is drawn anew with each: every wait must be within the transcript's bounds. */
const SEEDS = Array.from({ length: 20 }, (_, index) => (index + 0.5) / 20);

const clients = all().filter(({ header }) => header.role !== 'server');
// A witness needs signatures that this package does not check; the Rust SDK replays those.
const plain = clients.filter(({ header }) => !header.witness);

test('the client says and shows what the transcripts say', () => {
  const differences = plain.map((transcript) => SEEDS.map((seed) => replay(transcript, seed)).find(Boolean));
  assert.deepEqual(differences.filter(Boolean), []);
});

test('all transcripts of clients are replayed but those of a witness', () => {
  assert.equal(clients.length - plain.length, Number(process.env.PASSKEY_ACCOUNTS_WITNESSES));
  assert.equal(clients.length, Number(process.env.PASSKEY_ACCOUNTS_TRANSCRIPTS));
});

test('a transcript that says something else fails at that line', () => {
  let changed = 0;
  for (const transcript of plain.filter((_, index) => index % 5 === 0)) {
    for (const [index, line] of transcript.lines.entries()) {
      if (transcript.header.role !== 'client' || !isExpectedOfTheClient(line) || line.isExact) continue;
      const value = line.kind === '!' ? { clientCloses: { code: 1 } } : { surprise: true };
      const lines = transcript.lines.with(index, { ...line, value });
      assert.match(replay({ ...transcript, lines }, 0.5) ?? '', new RegExp(`^${line.place}: `));
      changed += 1;
    }
  }
  assert.ok(changed > 100, `${changed} lines`);
});
