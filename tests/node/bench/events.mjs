// CPU time per event: the stream of this package against the package ws and JSON.parse, over the same frames in the same
// run. `node bench/events.mjs` in tests/node, after `cargo test --test it node::` has put the package in place.
import { fork } from 'node:child_process';
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import WebSocket, { WebSocketServer } from 'ws';
import { Accounts } from 'passkey-accounts/server';

const EVENTS = 200_000;
/** Of them there are fewer: each second one has a signature to check. */
const SIGNED = 20_000;
const ROUNDS = 5;
const FRAME_BYTES = 16_384;

/** A server that says everything at once: a message a frame, or, to who asks for it, a frame of lines as the real one sends it. */
function serve() {
  const server = new WebSocketServer({ port: 0, perMessageDeflate: false }, () => process.send(server.address().port));
  server.on('connection', (socket) => {
    socket.once('message', async (asked) => {
      const { types, ndjson = false } = JSON.parse(asked);
      const isSigned = types?.includes('registered') ?? false;
      const time = '2026-11-22T18:00:00.000Z';
      const connection = 'con_00000000000000000000000000';
      socket.send(JSON.stringify({ type: 'ready', data: { protocol: 1, connection, idleMs: 20_000, window: 4_096, time, ndjson } }));
      let lines = [JSON.stringify({ type: 'bookmark', data: { time }, id: 'k3f9-0-Q7hB2cX0', prev: 'k3f9-0-Q7hB2cX0' })];
      let bytes = 0;
      const flush = () => {
        if (lines.length > 0) socket.send(lines.join('\n'));
        [lines, bytes] = [[], 0];
      };
      for (let seq = 1; seq <= (isSigned ? SIGNED : EVENTS); seq++) {
        const [id, prev] = [`k3f9-${seq}-Q7hB2cX0`, `k3f9-${seq - 1}-Q7hB2cX0`];
        const event = isSigned ? signed[seq - 1] : seq % 2 ? LOGIN : LOGOUT;
        const line = JSON.stringify({ ...event, id, prev, seq, time });
        if (!ndjson || bytes + line.length > FRAME_BYTES) flush();
        lines.push(line);
        bytes += line.length;
        if (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => setImmediate(resolve));
      }
      flush();
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

const APP = { appID: 'app_' + '0'.repeat(26), rpID: 'shop.example', origins: ['https://shop.example'] };

/** One account that signs up, then out and in again and again, as its passkey signs it. */
function makeSigned() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
  const { sessionKey, origin } = LOGIN.data;
  const thumbprint = sha256(JSON.stringify({ crv: 'P-256', kty: 'EC', x: sessionKey.x, y: sessionKey.y }));
  const authenticatorData = Buffer.concat([sha256(APP.rpID), Buffer.from([5, 0, 0, 0, 0])]);
  const evidence = (seq) => {
    const random = Buffer.alloc(32);
    random.writeUInt32BE(seq);
    const parts = [random, 'signIn', APP.appID, origin, thumbprint, ''].map((part) => Buffer.from(part));
    const lengths = parts.map(({ length }) => Buffer.from([0, 0, 0, length]));
    const challenge = sha256('passkey-accounts/challenge/v1', ...parts.flatMap((part, index) => [lengths[index], part]));
    const clientData = JSON.stringify({ type: 'webauthn.get', challenge: challenge.toString('base64url'), origin, crossOrigin: false });
    const signature = sign('sha256', Buffer.concat([authenticatorData, sha256(clientData)]), privateKey);
    const said = { random, thumbprint, credentialID: Buffer.alloc(32, 7), authenticatorData, clientDataJSON: Buffer.from(clientData), signature };
    return { kind: 'signIn', origin, ...Object.fromEntries(Object.entries(said).map(([name, value]) => [name, value.toString('base64url')])) };
  };
  const cose = ['a5010203262001215820', '225820'].map((part) => Buffer.from(part, 'hex'));
  const key = Buffer.concat([cose[0], Buffer.from(x, 'base64url'), cose[1], Buffer.from(y, 'base64url')]).toString('base64url');
  const added = { accountID, passkeyID, publicKey: key, aaguid: Buffer.alloc(16).toString('base64url'), backedUp: false };
  const events = [{ type: 'registered', data: { accountID } }, { type: 'passkeyAdded', data: added }];
  while (events.length < SIGNED) {
    const seq = events.length + 1;
    events.push(seq % 2 ? { type: 'loggedIn', data: { ...LOGIN.data, evidence: seq > 3 ? evidence(seq) : undefined } } : LOGOUT);
  }
  return events;
}

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

/** As `ours`, of what is signed: held against pins, or not. */
const ofSigned = (hasPins) => async (port) => {
  const accounts = Accounts.connect(`http://localhost:${port}`, 'pa_dev_x', { WebSocket });
  const types = ['registered', 'passkeyAdded', 'loggedIn', 'confirmed', 'loggedOut', 'passkeyRemoved', 'accountErased'];
  const evidence = { ...APP, pins: { load: () => undefined, save: () => {} } };
  for await (const delivery of accounts.events({ types, start: 'earliest', window: 4_096, ...(hasPins ? { evidence } : { inHand: 1 }) })) {
    delivery.ack();
    if (delivery.item.seq === SIGNED) break;
  }
  await accounts.close();
};

/** What the platform's own check of these signatures takes, and nothing else. */
async function signatures() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = Buffer.alloc(69, 7);
  const signature = sign('sha256', message, privateKey);
  for (let count = 0; count < SIGNED / 2; count++) verify('sha256', message, publicKey, signature);
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

async function cpuOf(work, events) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / events;
}

let signed;
if (process.send) {
  signed = makeSigned();
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
    'signed, without evidence': ofSigned(false),
    'signed, with evidence': ofSigned(true),
    'their signatures alone': signatures,
  };
  const counted = (name) => (/sign/.test(name) ? SIGNED : EVENTS);
  const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const cost = await cpuOf(() => way(port), counted(name));
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
