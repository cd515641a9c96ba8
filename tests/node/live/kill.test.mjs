// The server is killed as nothing can be caught, while events are on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, next, reaches, world } from './world.mjs';

/** Handles events until there are so many of what was appended; the last one is the newest. */
async function handle(events, seen, count) {
  while (seen.length < count) {
    const delivery = await next(events);
    // A killed server's sessions end when it starts again: they are in the log too.
    if (delivery.item.data.reason === 'user') seen.push(delivery.item.seq);
    delivery.ack();
  }
}

/** Has the server write down where the consumer begins: what a crash forgets of a consumer is its last quarter second. */
async function begin(accounts, options) {
  const events = accounts.events({ start: 'now', ...options });
  await reaches(events, 'live');
  await world('append', { events: 1 });
  await next(events).then((delivery) => delivery.ack());
  // The lane is free for the next worker once its position is stored.
  await events.close();
}

for (const options of [{}, { consumer: 'killed' }]) {
  test(`a killed server loses nothing and repeats nothing that was acknowledged ${options.consumer ?? ''}`, async (t) => {
    const accounts = connect(t);
    if (options.consumer) await begin(accounts, options);
    const events = accounts.events({ start: 'now', ...options });
    const sessions = connect(t).sessions;
    await sessions.inSync();
    if (options.consumer) await reaches(events, 'live');
    else await next(events, 'bookmark').then((mark) => mark.ack());
    const seen = [];
    for (let round = 1; round <= 3; round++) {
      await world('append', { events: 20 });
      await handle(events, seen, round * 40 - 30);
      const lost = reaches(events, 'waiting');
      await world('kill');
      await lost;
      assert.throws(() => sessions.freshWithin(0), { code: 'stale' });
      await world('start');
      await world('append', { events: 20 });
      await handle(events, seen, round * 40);
    }
    assert.equal(new Set(seen).size, 120, 'none comes twice');
    assert.deepEqual(seen, seen.toSorted((first, second) => first - second));
    await sessions.inSync();
  });
}
