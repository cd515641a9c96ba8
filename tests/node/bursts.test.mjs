// What arrives together is taken together, and handed out one by one: against a server that says what the test wants.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { inspect } from 'node:util';
import WebSocket, { WebSocketServer } from 'ws';
import { Accounts } from 'passkey-accounts/server';

const TIME = '2026-11-22T18:00:00.000Z';
const ACCOUNT = 'acct_00000000000000000000000000';

const event = (seq, type = 'registered', data = { accountID: ACCOUNT }) =>
  JSON.stringify({ type, data, id: `k3f9-${seq}-Q7hB2cX0`, prev: `k3f9-${seq - 1}-Q7hB2cX0`, seq, time: TIME });

/** A stream, and its server: `connected` is called with each socket whose first message has come. */
async function open(t, connected, options = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const said = [];
  const waiting = [];
  server.on('connection', (socket) => {
    socket.once('message', (text) => {
      const first = JSON.parse(text);
      const connection = 'con_00000000000000000000000000';
      const { window } = first;
      socket.send(JSON.stringify({ type: 'ready', data: { protocol: 1, connection, idleMs: 20_000, window, time: TIME } }));
      socket.on('message', (text) => {
        said.push(JSON.parse(text));
        waiting.shift()?.();
      });
      connected(socket, first.after);
    });
  });
  const accounts = Accounts.connect(`http://127.0.0.1:${server.address().port}`, 'pa_dev_x', { WebSocket });
  t.after(async () => {
    await accounts.close();
    server.close();
  });
  const heard = async () => {
    if (said.length === 0) await new Promise((resolve) => waiting.push(resolve));
    return said.shift();
  };
  const events = accounts.events({ after: 'k3f9-0-Q7hB2cX0', types: ['*'], window: 4_096, ...options });
  return { events, heard };
}

/** Everything after a position, up to `last`, in one write. */
const burst = (last) => (socket, after) => {
  const [, held] = after.split('-');
  socket._socket.cork();
  for (let seq = Number(held) + 1; seq <= last; seq++) socket.send(event(seq));
  socket._socket.uncork();
};

test('what follows an item that failed comes again, in order and none of it twice', async (t) => {
  const { events } = await open(t, burst(500));
  const seen = [];
  let failures = 0;
  while (seen.length < 500) {
    const { value: delivery } = await events.next();
    if (delivery.item.seq === [7, 107][failures]) {
      failures += 1;
      delivery.fail();
      continue;
    }
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  assert.equal(failures, 2);
  assert.deepEqual(seen, Array.from({ length: 500 }, (_, index) => index + 1));
});

test('of several in hand, what was handed out after a failed one comes again and is waited for no longer', async (t) => {
  const { events } = await open(t, burst(6), { inHand: 3 });
  const take = async () => {
    const { value: delivery } = await events.next();
    delivery.keep();
    return delivery;
  };
  const [first, second, third] = [await take(), await take(), await take()];
  await assert.rejects(events.next({ signal: AbortSignal.timeout(20) }), { code: 'cancelled' });
  second.fail();
  first.ack();
  const again = [await take(), await take(), await take()];
  assert.deepEqual(again.map(({ item }) => item.seq), [2, 3, 4]);
  // Its outcome is of no interest any more, and takes nothing from those that follow.
  third.fail();
  for (const delivery of again) delivery.ack();
  assert.deepEqual([(await take()).item.seq, (await take()).item.seq], [5, 6]);
});

test('what is handled is acknowledged, also when nothing more is asked for', async (t) => {
  const { events, heard } = await open(t, burst(3));
  for (let number = 0; number < 2; number++) await events.next().then(({ value }) => value.ack());
  assert.deepEqual(await heard(), { type: 'ack', data: { id: 'k3f9-2-Q7hB2cX0' } });
});

test('what is handled is acknowledged before the stream is closed', async (t) => {
  const { events, heard } = await open(t, burst(3));
  for (let number = 0; number < 2; number++) await events.next().then(({ value }) => value.ack());
  await events.close();
  assert.equal((await heard()).data.id, 'k3f9-2-Q7hB2cX0');
});

test('a message that is none ends the connection and not what came before it', async (t) => {
  let connections = 0;
  const { events } = await open(t, (socket, after) => {
    socket._socket.cork();
    burst(3)(socket, after);
    if (connections++ === 0) socket.send(Buffer.from([0x22, 0xff]), { binary: false });
    socket._socket.uncork();
  });
  const seen = [];
  while (seen.length < 3) {
    const { value: delivery } = await events.next();
    seen.push(delivery.item.seq);
    delivery.ack();
  }
  assert.deepEqual(seen, [1, 2, 3]);
});

test('each event of a burst has its own text, whatever it is written in', async (t) => {
  const texts = ['é', '\u{1F511}\u{1F511}', 'plain', '\u2028', '"\\\n'];
  const { events } = await open(t, (socket) => {
    socket._socket.cork();
    texts.forEach((text, index) => socket.send(event(index + 1, 'later', { text })));
    socket.send(event(texts.length + 1));
    socket._socket.uncork();
  });
  for (const text of texts) {
    const { value: delivery } = await events.next();
    assert.equal(delivery.item.json, JSON.stringify({ text }));
    assert.deepEqual(delivery.item.data, { text });
    delivery.ack();
  }
  const { value: last } = await events.next();
  assert.equal(last.item.data.accountID, ACCOUNT);
});

test('an event is a plain object to whoever copies, sends, compares or prints it', async (t) => {
  const { events } = await open(t, burst(1));
  const { item } = (await events.next()).value;
  const { kind, type, name, id, seq, time, json } = item;
  const whole = { kind, type, name, data: { accountID: ACCOUNT }, id, seq, time, json };
  assert.deepEqual({ ...item }, whole);
  assert.deepEqual(structuredClone(item), whole);
  assert.deepEqual(Object.keys(item), Object.keys(whole));
  assert.equal(JSON.stringify(item), JSON.stringify(whole));
  assert.equal(inspect(item), inspect(whole));
  assert.equal(item.data, item.data);
});
