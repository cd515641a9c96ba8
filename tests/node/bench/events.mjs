// CPU time per event: the stream of this package against the package ws and JSON.parse, over the same frames in the same
// run. `node bench/events.mjs` in tests/node, after `cargo test --test it node::` has put the package in place.
import { fork } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import WebSocket, { WebSocketServer } from 'ws';
import { Accounts } from 'passkey-accounts/server';

const EVENTS = 200_000;
const ROUNDS = 5;

/** A server that says everything at once. */
function serve() {
  const server = new WebSocketServer({ port: 0, perMessageDeflate: false }, () => process.send(server.address().port));
  server.on('connection', (socket) => {
    socket.once('message', async () => {
      const time = '2026-11-22T18:00:00.000Z';
      const connection = 'con_00000000000000000000000000';
      socket.send(JSON.stringify({ type: 'ready', data: { protocol: 1, connection, idleMs: 20_000, window: 4_096, time } }));
      socket.send(JSON.stringify({ type: 'bookmark', data: { time }, id: 'k3f9-0-Q7hB2cX0', prev: 'k3f9-0-Q7hB2cX0' }));
      for (let seq = 1; seq <= EVENTS; seq++) {
        const [id, prev] = [`k3f9-${seq}-Q7hB2cX0`, `k3f9-${seq - 1}-Q7hB2cX0`];
        socket.send(JSON.stringify({ ...(seq % 2 ? LOGIN : LOGOUT), id, prev, seq, time }));
        if (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => setImmediate(resolve));
      }
    });
  });
}

const bytes = (size) => Buffer.alloc(size, 7).toString('base64url');
const [accountID, sessionID, passkeyID] = ['acct_', 'ses_', 'pk_'].map((prefix) => prefix + '0'.repeat(26));
const LOGIN = {
  type: 'loggedIn',
  data: {
    ...{ accountID, sessionID, passkeyID, origin: 'https://shop.example' },
    sessionKey: { kty: 'EC', crv: 'P-256', x: bytes(32), y: bytes(32) },
    ...{ expiresAt: '2026-11-23T06:00:00.000Z', userVerified: true, backedUp: false, accountSessions: 1 },
    evidence: {
      ...{ random: bytes(32), kind: 'signIn', origin: 'https://shop.example', thumbprint: bytes(32) },
      ...{ credentialID: bytes(32), authenticatorData: bytes(37), clientDataJSON: bytes(140), signature: bytes(71) },
    },
  },
};
const LOGOUT = { type: 'loggedOut', data: { accountID, sessionID, reason: 'user', accountSessions: 0 } };

async function plain(port) {
  const socket = new WebSocket(`ws://localhost:${port}`, { perMessageDeflate: false });
  await once(socket, 'open');
  socket.send('{}');
  await new Promise((resolve) => {
    socket.on('message', (data) => {
      if (JSON.parse(data).seq === EVENTS) resolve();
    });
  });
  socket.terminate();
}

const ours = (handle) => async (port) => {
  const accounts = Accounts.connect(`http://localhost:${port}`, 'pa_dev_x', { WebSocket });
  for await (const delivery of accounts.events({ start: 'now', window: 4_096 })) {
    handle(delivery.item);
    delivery.ack();
    if (delivery.item.seq === EVENTS) break;
  }
  await accounts.close();
};

async function cpuOf(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / EVENTS;
}

if (process.send) {
  serve();
} else {
  const server = fork(fileURLToPath(import.meta.url));
  const [port] = await once(server, 'message');
  const median = (numbers) => numbers.toSorted((first, second) => first - second)[Math.floor(numbers.length / 2)];
  const accounts = new Set();
  const ways = {
    'ws and JSON.parse': plain,
    'events, each acknowledged': ours(() => {}),
    'events, and their data read': ours(({ data }) => accounts.add(data?.accountID)),
  };
  const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const cost = await cpuOf(() => way(port));
      // The first round is the engine's own warming up.
      if (round > 0) costs[name].push(cost);
    }
  }
  const base = median(costs['ws and JSON.parse']);
  for (const [name, list] of Object.entries(costs)) {
    console.log(`${name.padEnd(28)} ${median(list).toFixed(2)} us/event  x${(median(list) / base).toFixed(2)}`);
  }
  server.kill();
}
