// Every vector of proofs, in Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { replay } from './proofs.mjs';

const read = (file) => JSON.parse(readFileSync(new URL(`../../vectors/proof/${file}`, import.meta.url), 'utf8'));

test('requests and tokens have the outcome that the vectors say', async () => {
  let cases = 0;
  for (const [file, atLeast] of [['requests.json', 90], ['sockets.json', 30]]) {
    const vectors = read(file);
    const { differences, steps } = await replay(vectors);
    assert.deepEqual(differences, []);
    assert.ok(steps >= atLeast, `${steps} steps`);
    cases += vectors.cases.length;
  }
  console.log(`replayed proof ${cases}`);
});

test('a vector that says something else is noticed', async () => {
  for (const file of ['requests.json', 'sockets.json']) {
    const vectors = read(file);
    const [{ name, steps }] = vectors.cases;
    const changed = steps.map((step) => ({ ...step, expect: step.expect === 'stale' ? 'accepted' : 'stale' }));
    const { differences } = await replay({ ...vectors, cases: [{ name, steps: changed }] });
    assert.equal(differences.length, steps.length);
  }
});
