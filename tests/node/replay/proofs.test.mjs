// The vectors in tests/vectors/proof/, checked through the public face in the vectors' own time.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Accounts } from 'passkey-accounts/server';

const read = (file) => JSON.parse(readFileSync(new URL(`../../vectors/proof/${file}`, import.meta.url), 'utf8'));

/** A server that tells of these sessions, and of the time that a step is checked at. */
class Server extends EventEmitter {
  static current;
  static sessions;
  #bookmarks = 0;

  constructor() {
    super();
    Server.current = this;
    queueMicrotask(() => this.emit('open'));
  }

  send(text) {
    if (JSON.parse(text).apiKey === undefined) return;
    const [connection, id] = ['con_00000000000000000000000000', 'acct_00000000000000000000000000'];
    const [time, expiresAt] = ['2026-11-22T17:00:00.000Z', '2026-11-24T00:00:00.000Z'];
    this.say({ type: 'ready', data: { protocol: 1, connection, idleMs: 20_000, window: 0, time } });
    const sessions = Server.sessions.map((session) => {
      return { ...session, accountID: id, passkeyID: id.replace('acct', 'pk'), since: time, expiresAt };
    });
    this.say({ type: 'snapshot', data: { sessions, first: true, last: true }, id: 'e-0' });
  }

  /** Nothing new, and it is this time. */
  setTime(now) {
    const [id, prev] = [`e-${this.#bookmarks + 1}`, `e-${this.#bookmarks}`];
    this.#bookmarks += 1;
    // Both clocks stand still: some proofs are exactly as old as they may be.
    Date.now = () => now;
    performance.now = () => 1_000_000;
    this.say({ type: 'bookmark', data: { time: new Date(now).toISOString() }, id, prev });
  }

  say(message) {
    this.emit('message', Buffer.from(JSON.stringify(message)), false);
  }

  close() {
    queueMicrotask(() => this.emit('close', 1000, Buffer.alloc(0)));
  }
}

async function replay({ sessions, cases }, atLeast, check) {
  const clocks = [Date.now, performance.now.bind(performance)];
  const differences = [];
  let steps = 0;
  for (const { name, steps: ofCase } of cases) {
    Server.sessions = sessions;
    // Each case begins with no nonce remembered.
    const accounts = Accounts.connect('https://auth.example', 'pa_dev_x', { WebSocket: Server });
    const live = accounts.liveSessions();
    await live.inSync();
    for (const step of ofCase) {
      Server.current.setTime(step.now);
      const outcome = await check(live, step).then(() => 'accepted', (error) => error.code ?? String(error));
      if (outcome !== step.expect) differences.push(`${name}: ${outcome} instead of ${step.expect}`);
      steps += 1;
    }
    [Date.now, performance.now] = clocks;
    await accounts.close();
  }
  assert.deepEqual(differences, []);
  assert.ok(steps >= atLeast, `${steps} steps`);
}

test('requests have the outcome that the vectors say', async () => {
  const vectors = read('requests.json');
  await replay(vectors, 90, async (live, { method, host, target, fields, body }) => {
    const field = (wanted) => {
      const lines = fields.filter(([name]) => name === wanted).map(([, value]) => value);
      return lines.length > 0 ? lines.join(', ') : undefined;
    };
    const head = { method, hosts: [host], pathAndQuery: target, field };
    const checked = await live.checkHead(head, { origins: vectors.origins });
    return checked.withBody(Buffer.from(body));
  });
});

test('tokens have the outcome that the vectors say', async () => {
  await replay(read('sockets.json'), 30, (live, { token, audience, nonce }) => {
    return live.verifySocket(token, { audience, nonce });
  });
});

test('a vector that says something else is noticed', async () => {
  const vectors = read('sockets.json');
  const cases = vectors.cases.slice(0, 1).map(({ name, steps }) => ({
    name,
    steps: steps.map((step) => ({ ...step, expect: 'proofInvalid' })),
  }));
  const check = (live, { token, audience, nonce }) => live.verifySocket(token, { audience, nonce });
  await assert.rejects(replay({ ...vectors, cases }, 1, check), /accepted instead of proofInvalid/);
});
