import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { test } from 'node:test';
import { connect, next, reaches, world } from './world.mjs';

const SCRIPT = new URL('worker.mjs', import.meta.url).pathname;

/** A worker in a process of its own: tells what it handles. */
class Worker {
  handled = [];
  #process;
  #changed = () => {};

  constructor(t, consumer) {
    this.#process = fork(SCRIPT, [consumer], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#process.on('message', (message) => {
      if ('seq' in message) this.handled.push(message.seq);
      else this.status = message.status;
      this.#changed();
    });
    t.after(() => this.kill());
  }

  async until(condition) {
    while (!condition(this)) {
      await new Promise((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  kill() {
    this.#process.kill('SIGKILL');
  }
}

test('a second process takes over where the first one was killed', async (t) => {
  const first = new Worker(t, 'billing');
  await first.until(({ status }) => status === 'live');
  const second = new Worker(t, 'billing');
  await second.until(({ status }) => status === 'standby');
  await world('append', { events: 100 });
  await first.until(({ handled }) => handled.length >= 40);
  assert.equal(second.handled.length, 0);
  first.kill();
  await second.until(({ handled }) => handled.length > 0);
  const last = first.handled.at(-1);
  await world('append', { events: 20 });
  const total = first.handled[0] + 119;
  await second.until(({ handled }) => handled.at(-1) === total);
  const seen = new Set([...first.handled, ...second.handled]);
  assert.equal(seen.size, 120, 'none is missing');
  assert.ok(second.handled[0] <= last + 1, 'it begins before what was acknowledged last');
});

test('the application\'s own position goes before the server\'s, and its lease rises', async (t) => {
  const claims = [];
  let stored;
  const positions = {
    async claim(consumer, lane, lease) {
      claims.push([consumer, lane, lease]);
      return stored;
    },
  };
  const options = { consumer: 'ledger', start: 'now', positions };
  const first = connect(t).events(options);
  await reaches(first, 'live');
  await world('append', { events: 3 });
  const ids = [];
  while (ids.length < 3) {
    const delivery = await next(first);
    ids.push(delivery.position.id);
    assert.equal(delivery.position.consumer, 'ledger');
    assert.equal(delivery.position.lease, claims[0][2]);
    delivery.ack();
  }
  await first.close();
  // The effect of the last two was rolled back: they come again.
  stored = ids[0];
  const second = connect(t).events(options);
  const again = await next(second);
  assert.equal(again.position.id, ids[1]);
  assert.deepEqual(claims.map(([consumer, lane]) => [consumer, lane]), [['ledger', 0], ['ledger', 0]]);
  assert.ok(claims[1][2] > claims[0][2]);
  again.ack();
});

test('a position store that fails leaves the lane to others and is asked again', async (t) => {
  let asked = 0;
  const positions = {
    async claim() {
      asked += 1;
      if (asked === 1) throw new Error('the database is locked');
      return undefined;
    },
  };
  const events = connect(t).events({ consumer: 'unlucky', start: 'now', positions });
  const waiting = await reaches(events, 'waiting');
  assert.match(waiting.why, /the database is locked/);
  await reaches(events, 'live');
  assert.equal(asked, 2);
});
