// Writes evidence.jsonl, from docs/protocol.md and WebAuthn Level 3 alone: nothing of this repository's code is used. Keys are
// made anew each time. `node evidence.mjs > evidence.jsonl`
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';
const ORIGIN = 'https://shop.example';
const KEY = 'pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36';
const TYPES = ['registered', 'passkeyAdded', 'loggedIn', 'confirmed', 'loggedOut', 'passkeyRemoved', 'accountErased'];

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const text = (bytes) => Buffer.from(bytes).toString('base64url');
const fill = (n, size = 32) => Buffer.alloc(size, n);

/** The identifier whose 16 bytes are all `n`. */
function id(prefix, n) {
  const bits = [...fill(n, 16)].map((byte) => byte.toString(2).padStart(8, '0')).join('').padEnd(130, '0');
  return `${prefix}_${bits.match(/.{5}/g).map((five) => ALPHABET[Number.parseInt(five, 2)]).join('')}`;
}
const [APP, ACCOUNT, CEREMONY] = [id('app', 1), id('acct', 1), id('cer', 1)];
const session = (n) => id('ses', n);
const passkeyID = (n) => id('pk', n);

const hex = (bytes) => Buffer.from(bytes.replaceAll(' ', ''), 'hex');
const COSE = {
  ec: ({ x, y }) => Buffer.concat([hex('a5 0102 0326 2001 215820'), Buffer.from(x, 'base64url'), hex('225820'), Buffer.from(y, 'base64url')]),
  ed25519: ({ x }) => Buffer.concat([hex('a4 0101 0327 2006 215820'), Buffer.from(x, 'base64url')]),
  rsa: ({ n }) => {
    const modulus = Buffer.from(n, 'base64url');
    return Buffer.concat([hex('a4 0103 03390100 2059'), Buffer.from([modulus.length >> 8, modulus.length & 255]), modulus, hex('2143010001')]);
  },
};

/** A passkey: its number, its public key as authenticators write it, and what it signs. */
function makePasskey(number, type, options = {}) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const cose = COSE[type](publicKey.export({ format: 'jwk' }));
  return { number, cose, sign: (message) => sign(type === 'ed25519' ? null : 'sha256', message, privateKey) };
}
const es256 = makePasskey(1, 'ec', { namedCurve: 'P-256' });
const eddsa = makePasskey(2, 'ed25519');
const rs256 = makePasskey(3, 'rsa', { modulusLength: 2048 });
const stranger = makePasskey(1, 'ec', { namedCurve: 'P-256' });

const sessionKey = (n) => ({ kty: 'EC', crv: 'P-256', x: text(fill(n)), y: text(fill(n)) });
const thumbprint = ({ x, y }) => sha256(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`);

/** What a passkey has signed. `random` is never used twice, unless on purpose. */
let uses = 0;
function evidenceOf(passkey, kind, { action, key = sessionKey(1), app = APP, origin = ORIGIN, rpID = 'shop.example', flags = 0x05, random = fill(++uses) } = {}) {
  const parts = [random, kind, app, origin, thumbprint(key), action === undefined ? '' : sha256(action)].map((part) => Buffer.from(part));
  const lengths = parts.map(({ length }) => Buffer.from([0, 0, length >> 8, length & 255]));
  const challenge = sha256('passkey-accounts/challenge/v1', ...parts.flatMap((part, index) => [lengths[index], part]));
  const clientData = JSON.stringify({ type: 'webauthn.get', challenge: text(challenge), origin, crossOrigin: false });
  const authenticatorData = Buffer.concat([sha256(rpID), Buffer.from([flags, 0, 0, 0, 0])]);
  return {
    random: text(random),
    kind,
    origin,
    thumbprint: text(thumbprint(key)),
    credentialID: text(fill(passkey.number)),
    authenticatorData: text(authenticatorData),
    clientDataJSON: text(clientData),
    signature: text(passkey.sign(Buffer.concat([authenticatorData, sha256(clientData)]))),
  };
}

const registered = (accountID = ACCOUNT) => ['registered', { accountID }];
const added = (passkey, evidence, cose = passkey.cose) => [
  'passkeyAdded',
  { accountID: ACCOUNT, passkeyID: passkeyID(passkey.number), publicKey: text(cose), aaguid: text(fill(0, 16)), backedUp: false, ...(evidence && { evidence }) },
];
const loggedIn = (n, passkey, evidence, { origin = ORIGIN, accountID = ACCOUNT, key = sessionKey(n) } = {}) => [
  'loggedIn',
  {
    ...{ accountID, sessionID: session(n), passkeyID: passkeyID(passkey.number), origin, sessionKey: key },
    ...{ expiresAt: '2026-11-23T06:00:00.000Z', userVerified: true, backedUp: false, accountSessions: 1, ...(evidence && { evidence }) },
  },
];
/** A sign-in that the passkey has signed, or something like it. */
const signedIn = (n, passkey, { login, ...more } = {}) =>
  loggedIn(n, passkey, evidenceOf(passkey, 'signIn', { key: sessionKey(n), ...more }), login);
const loggedOut = (n) => ['loggedOut', { accountID: ACCOUNT, sessionID: session(n), reason: 'user', accountSessions: 0 }];
const confirmed = (n, passkey, action, signed = action) => [
  'confirmed',
  {
    ...{ accountID: ACCOUNT, sessionID: session(n), passkeyID: passkeyID(passkey.number), ceremonyID: CEREMONY, action: JSON.parse(action) },
    evidence: evidenceOf(passkey, 'confirm', { action: signed, key: sessionKey(n) }),
  },
];
const vouched = (passkey, voucher) => {
  const action = `{"passkeyID":"${passkeyID(passkey.number)}","publicKey":"${text(passkey.cose)}","type":"addPasskey"}`;
  return added(passkey, evidenceOf(voucher, 'addPasskey', { action }));
};
const removed = (passkey, signer) => {
  const action = `{"passkeyID":"${passkeyID(passkey.number)}","type":"removePasskey"}`;
  const evidence = signer && evidenceOf(signer, 'removePasskey', { action });
  return ['passkeyRemoved', { accountID: ACCOUNT, passkeyID: passkeyID(passkey.number), reason: 'user', ...(evidence && { evidence }) }];
};
const taken = (passkey) => ['passkeyRemoved', { accountID: ACCOUNT, passkeyID: passkeyID(passkey.number), reason: 'backEnd' }];
const erased = () => ['accountErased', { accountID: ACCOUNT }];

const signUp = (passkey = es256) => [registered(), added(passkey), loggedIn(1, passkey)];
const PAY = '{"amount":25,"type":"pay"}';

/** One character of the signature is another. */
function broken([type, data], name = 'signature') {
  const bytes = Buffer.from(data.evidence[name], 'base64url');
  bytes[bytes.length - 1] ^= 1;
  return [type, { ...data, evidence: { ...data.evidence, [name]: text(bytes) } }];
}
function longer([type, data]) {
  const signature = text(Buffer.concat([Buffer.from(data.evidence.signature, 'base64url'), fill(0, 1)]));
  return [type, { ...data, evidence: { ...data.evidence, signature } }];
}

const time = (seq) => `2026-11-22T18:00:00.${String(seq).padStart(3, '0')}Z`;
const position = (seq) => `0001-${seq}-AAAAAAAA`;
const lines = [];
const line = (value) => lines.push(JSON.stringify(value));

function begin(name, start = 'earliest') {
  line({ name, role: 'client', evidence: true, ...(start !== 'earliest' && { subscription: { start } }) });
  line({ t: 0, '=': { status: 'connecting' } });
  line({ t: 0, '=': { connects: 'wss://auth.example/v1/events' } });
  line({ t: 0, '!': 'open' });
  line({ t: 0, '>': { apiKey: KEY, protocol: 1, ...(start !== 'state' && { start }), types: TYPES } });
  const ready = { protocol: 1, connection: id('con', 1), idleMs: 20000, window: 256, lanes: 1, maxMessageBytes: 8192, appID: APP, epoch: '0001' };
  line({ t: 0, '<': { type: 'ready', data: { ...ready, time: time(0) } } });
  line({ t: 0, '=': { status: 'live' } });
}

/** `forged` is sent behind what is true. */
function tell(name, events, forged) {
  begin(name);
  line({ t: 0, '<': { type: 'bookmark', data: { time: time(0) }, id: position(0), prev: position(0) } });
  line({ t: 0, '=': { bookmark: { position: position(0) } } });
  const frame = ([type, data], seq) => ({ type, data, id: position(seq), prev: position(seq - 1), seq, time: time(seq) });
  events.forEach((event, index) => {
    line({ t: 5, '<': frame(event, index + 1) });
    line({ t: 5, '=': { event: { type: event[0], seq: index + 1, position: position(index + 1) } } });
  });
  if (forged) {
    line({ t: 6, '<': frame(forged, events.length + 1) });
    line({ t: 6, '=': { ends: 'evidenceForged' } });
  } else {
    line({ t: 6, '!': 'stop' });
  }
  line({ t: 6, '>': { type: 'ack', data: { id: position(events.length) } } });
  line({ t: 6, '!': { clientCloses: { code: 1000, reason: '' } } });
  line({ t: 6, '=': { status: 'closed' } });
  line({ t: 7, '!': 'wait' });
  lines.push('');
}

tell('what passkeys have signed is handed on, in each algorithm', [
  ...signUp(),
  loggedOut(1),
  signedIn(2, es256),
  confirmed(2, es256, PAY),
  vouched(eddsa, es256),
  signedIn(3, eddsa),
  vouched(rs256, eddsa),
  signedIn(4, rs256),
  confirmed(4, rs256, PAY),
  removed(es256, rs256),
  taken(eddsa),
  signedIn(5, rs256),
  erased(),
]);
for (const [name, passkey] of [['ECDSA', es256], ['Ed25519', eddsa], ['RSA', rs256]]) {
  const events = signUp(passkey);
  tell(`a sign-in whose ${name} signature has another bit is forged`, events, broken(signedIn(2, passkey)));
  tell(`a sign-in with a byte behind its ${name} signature is forged`, events, longer(signedIn(2, passkey)));
}
const real = signedIn(2, es256);
const forgeries = {
  'a sign-in without evidence is forged': loggedIn(2, es256),
  'a sign-in that another key has signed is forged': signedIn(2, stranger),
  'a sign-in by a passkey that the account does not have is forged': signedIn(2, eddsa),
  'a sign-in of an account that was never heard of is forged': signedIn(2, es256, { login: { accountID: id('acct', 2) } }),
  'evidence that was used before is forged': loggedIn(3, es256, real[1].evidence, { key: sessionKey(2) }),
  'a session that is opened twice is forged': signedIn(2, es256),
  'evidence for another app is forged': signedIn(3, es256, { app: id('app', 2) }),
  'evidence for another RP ID is forged': signedIn(3, es256, { rpID: 'evil.example' }),
  'evidence from an origin that is not the app\'s is forged': signedIn(3, es256, { origin: 'https://evil.example', login: { origin: 'https://evil.example' } }),
  'evidence from another origin than the event says is forged': signedIn(3, es256, { login: { origin: 'https://evil.example' } }),
  'evidence for another session key is forged': signedIn(3, es256, { login: { key: sessionKey(9) } }),
  'evidence of a touch without verification is forged': signedIn(3, es256, { flags: 0x01 }),
  'evidence whose authenticator data was changed is forged': broken(signedIn(3, es256), 'authenticatorData'),
  'evidence of a confirmation is none of a sign-in': loggedIn(3, es256, evidenceOf(es256, 'confirm', { action: PAY, key: sessionKey(3) })),
  'a confirmation of another action is forged': confirmed(2, es256, PAY, '{"amount":2500,"type":"pay"}'),
  'a confirmation in a session that is not open is forged': confirmed(7, es256, PAY),
  'another passkey that nobody has vouched for is forged': added(eddsa),
  'a passkey that vouches for itself is forged': vouched(eddsa, eddsa),
  'a removal that nobody has signed is forged': removed(es256),
  'a removal that a stranger has signed is forged': removed(es256, stranger),
  'an account that is registered twice is forged': registered(),
};
for (const [name, forged] of Object.entries(forgeries)) tell(name, [...signUp(), real], forged);
tell('a passkey that was removed opens nothing', [...signUp(), vouched(eddsa, es256), removed(es256, eddsa)], signedIn(2, es256));
tell('an account that was erased has no sign-in', [...signUp(), erased()], signedIn(2, es256));
tell('an account that was erased gets no first passkey again', [...signUp(), erased()], registered());
const point = (byte) => COSE.ec({ x: text(fill(byte)), y: text(fill(byte)) });
const small = COSE.ed25519({ x: text(Buffer.from([1, ...fill(0, 31)])) });
const short = makePasskey(1, 'rsa', { modulusLength: 1024 });
tell('a public key that is not on its curve is forged', [registered()], added(es256, undefined, point(7)));
tell('a public key of small order is forged', [registered()], added(eddsa, undefined, small));
tell('a public key of RSA with 1024 bits is forged', [registered()], added(short));
tell('a first passkey that does not follow its account is forged', [registered(), registered(id('acct', 2))], added(es256));

begin('sessions of a state that no passkey was seen to open are left out', 'state');
const { accountID, sessionID, passkeyID: opener, expiresAt } = real[1];
const open = { accountID, sessionID, passkeyID: opener, sessionKey: sessionKey(2), since: time(0), expiresAt };
line({ t: 0, '<': { type: 'snapshot', data: { sessions: [open], first: true, last: true }, id: position(4) } });
line({ t: 0, '=': { snapshot: { first: true, last: true, sessions: [], position: position(4) } } });
line({ t: 100, '>': { type: 'ack', data: { id: position(4) } } });
line({ t: 200, '!': 'stop' });
line({ t: 200, '!': { clientCloses: { code: 1000, reason: '' } } });
line({ t: 200, '=': { status: 'closed' } });
line({ t: 201, '!': 'wait' });

process.stdout.write(`${lines.join('\n')}\n`);
