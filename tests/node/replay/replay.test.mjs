// Every transcript that is about a client, replayed in Node by the machine that back ends get.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { SEEDS, isExpectedOfTheClient, replay } from './client.mjs';
import { clients, counts } from './transcripts.mjs';

const FOLDER = new URL('../../vectors/stream/', import.meta.url);
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.jsonl'));
const transcripts = clients(files.map((file) => [file, readFileSync(new URL(file, FOLDER), 'utf8')]));

test('the client says and shows what the transcripts say', () => {
  const differences = transcripts.map((transcript) => SEEDS.map((seed) => replay(transcript, seed)).find(Boolean));
  assert.deepEqual(differences.filter(Boolean), []);
  for (const said of counts(transcripts)) console.log(said);
});

test('a transcript that says something else fails at that line', () => {
  let changed = 0;
  const some = transcripts.filter(({ header }, index) => header.role === 'client' && (header.witness || index % 5 === 0));
  for (const transcript of some) {
    for (const [index, line] of transcript.lines.entries()) {
      if (!isExpectedOfTheClient(line) || line.isExact) continue;
      const value = line.kind === '!' ? { clientCloses: { code: 1 } } : { surprise: true };
      const lines = transcript.lines.with(index, { ...line, value });
      assert.match(replay({ ...transcript, lines }, 0.5) ?? '', new RegExp(`^${line.place}: `));
      changed += 1;
    }
  }
  assert.ok(changed > 100, `${changed} lines`);
});
