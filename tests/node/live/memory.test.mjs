import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, next, world } from './world.mjs';

const EVENTS = 100_000;
const BATCH = 10_000;

test('memory is flat over a hundred thousand events', async (t) => {
  const events = connect(t).events({ start: 'now' });
  const live = connect(t).liveSessions();
  await live.inSync();
  await next(events, 'bookmark').then((mark) => mark.ack());
  const sizes = [];
  let seen = 0;
  while (seen < EVENTS) {
    await world('append', { events: BATCH });
    for (let number = 0; number < BATCH; number++) {
      const delivery = await next(events);
      delivery.ack();
      seen += 1;
    }
    globalThis.gc();
    const { rss, heapUsed, arrayBuffers, external } = process.memoryUsage();
    sizes.push({ rss, used: heapUsed + arrayBuffers + external });
  }
  const mebibytes = (bytes) => Math.round(bytes / 104_857.6) / 10;
  t.diagnostic(`rss ${sizes.map(({ rss }) => mebibytes(rss))}, used ${sizes.map(({ used }) => mebibytes(used))}`);
  const [early, late] = [sizes[2], sizes.at(-1)];
  // 70,000 events lie between the two: 45 bytes kept of each would be seen.
  assert.ok(late.used - early.used < 3 << 20, `${early.used} then ${late.used}`);
  assert.ok(late.rss - early.rss < 32 << 20, `${early.rss} then ${late.rss}`);
});
