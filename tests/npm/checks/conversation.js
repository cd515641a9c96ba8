// One conversation, frame by frame, with whatever answers at `url`: the real server, or the fake one. What is compared in the
// end is each answer's shape: the words that a client acts on, and what kind of value the rest is.

import { SoftwareAuthenticator } from '/node_modules/passkey-accounts/dist/testing.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256' };
const EMAIL = 'ada@example.org';
const encoder = new TextEncoder();

/** The talk goes on by itself; where it needs a mailed code, whoever drives it is asked. */
export function startTalk(app, url) {
  const asked = [];
  const codes = [];
  const ring = (list, value) => list.waiting?.(value) ?? list.push(value);
  const take = (list) =>
    list.length ? Promise.resolve(list.shift()) : new Promise((resolve) => (list.waiting = (value) => ((list.waiting = undefined), resolve(value), true)));
  const codeOf = (email) => (ring(asked, { email }), take(codes));
  const said = [];
  talk(app, url, codeOf, said).then(
    () => ring(asked, { transcript: said }),
    (error) => ring(asked, { error: `${error}\n${error.stack}` }),
  );
  return { said, next: () => take(asked), code: (code) => void ring(codes, code) };
}

class Line {
  #socket;
  #heard = [];
  #wake = () => {};
  #id = 0;
  #said;

  constructor(app, url, said) {
    this.#said = said;
    this.#socket = new WebSocket(`${url}?app=${app}`, 'passkey-accounts.v1');
    const hear = (what) => (this.#heard.push(what), this.#wake());
    this.#socket.addEventListener('message', ({ data }) => hear(JSON.parse(data)));
    this.#socket.addEventListener('close', ({ code, reason }) => hear({ type: 'close', code, data: JSON.parse(reason || '{}') }));
  }

  /** The next message that is no heartbeat. */
  async hear(because = '') {
    for (;;) {
      while (this.#heard.length === 0) await new Promise((resolve) => (this.#wake = resolve));
      const message = this.#heard.shift();
      if (message.type === 'heartbeat') continue;
      this.#said.push([because, shape(message)]);
      return message.data;
    }
  }

  ask(type, data) {
    this.#id += 1;
    this.#socket.send(JSON.stringify({ type, data, id: this.#id }));
    return this.hear(type);
  }

  close() {
    this.#socket.close();
  }
}

async function talk(app, url, codeOf, said) {
  const authenticator = new SoftwareAuthenticator();
  const pair = await crypto.subtle.generateKey(P256, false, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const begin = { email: EMAIL, sessionKey: { kty, crv, x, y } };
  const connect = async () => {
    const line = new Line(app, url, said);
    return [line, await line.hear('connect')];
  };
  const prompted = async ({ ceremonyID, publicKey }, by = authenticator) => {
    const isNew = 'user' in publicKey;
    const parsed = isNew
      ? PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)
      : PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    const credential = await (isNew ? by.create({ publicKey: parsed }) : by.get({ publicKey: parsed }));
    return { ceremonyID, credential: credential.toJSON() };
  };

  // What is wrong is refused, and the third wrong thing closes.
  let [line] = await connect();
  await line.ask('nonsense', {});
  await line.ask('signOut', {});
  await line.ask('signUp.begin', { ...begin, email: 'nobody' });
  await line.ask('signUp.begin', { ...begin, sessionKey: { ...begin.sessionKey, y: x } });
  await line.ask('ceremony.finish', { ceremonyID: `cer_${'0'.repeat(26)}`, credential: {} });
  await line.hear('the third wrong request');

  // Sign-up: a wrong code, a burnt challenge, then the right way.
  [line] = await connect();
  await line.ask('signUp.begin', begin);
  await line.ask('signUp.verify', { code: 'x' });
  const burnt = await line.ask('signUp.verify', { code: await codeOf(EMAIL) });
  const nonsense = await prompted(burnt);
  nonsense.credential.response.clientDataJSON = btoa('{}').replaceAll('=', '');
  await line.ask('ceremony.finish', nonsense);
  authenticator.forget();
  await line.ask('signUp.begin', begin);
  const { session } = await line.ask('ceremony.finish', await prompted(await line.ask('signUp.verify', { code: await codeOf(EMAIL) })));

  // The account's own requests.
  await line.ask('signIn.begin', begin);
  const { passkeys } = await line.ask('passkeys.list', {});
  const [{ passkeyID }] = passkeys;
  await line.ask('passkeys.rename', { passkeyID, name: ' My phone ' });
  await line.ask('passkeys.rename', { passkeyID, name: ' ' });
  await line.ask('passkeys.rename', { passkeyID: `pk_${'0'.repeat(26)}`, name: 'x' });
  await line.ask('passkeys.remove.begin', { passkeyID });
  await line.ask('sessions.list', {});
  await line.ask('sessions.end', {});
  await line.ask('sessions.end', { sessionID: `ses_${'0'.repeat(26)}` });
  await line.ask('sessions.end', { sessionID: session.sessionID });

  // A fresh gesture.
  await line.ask('confirm.begin', { action: { text: 'x'.repeat(3000) } });
  await line.ask('ceremony.finish', await prompted(await line.ask('confirm.begin', { action: { pay: 12.5, to: 'Grace' } })));

  // Another passkey, which the first vouches for; then it goes.
  const phone = new SoftwareAuthenticator({ isSynced: false });
  const vouch = await line.ask('ceremony.finish', await prompted(await line.ask('passkeys.add.begin', {}), phone));
  // Another page of the account is told of the passkey; the first was told of its session.
  const [second] = await connect();
  await second.ask('ceremony.finish', await prompted(await second.ask('signIn.begin', begin)));
  await line.hear('another session');
  const { passkey } = await line.ask('ceremony.finish', await prompted(vouch));
  await second.hear('another passkey');
  await second.ask('signOut', {});
  await line.ask('ceremony.finish', await prompted(await line.ask('passkeys.remove.begin', { passkeyID: passkey.passkeyID })));
  await line.ask('passkeys.list', {});

  // A recovery that somebody begins is told, and cancelled; its code is burnt.
  const { code: recoveryCode } = await line.ask('ceremony.finish', await prompted(await line.ask('recovery.code.begin', {})));
  const [stranger] = await connect();
  await stranger.ask('recovery.begin', begin);
  const code = await codeOf(EMAIL);
  await stranger.ask('signUp.verify', { code });
  await stranger.ask('recovery.verify', { code: 'x', recoveryCode });
  await stranger.ask('recovery.verify', { code, recoveryCode: 'x' });
  await stranger.ask('recovery.verify', { code, recoveryCode: recoveryCode.toLowerCase() });
  await line.hear('a recovery');
  await line.ask('recovery.cancel', {});
  await line.ask('recovery.cancel', {});
  await stranger.ask('recovery.begin', begin);
  await stranger.ask('recovery.verify', { code: await codeOf(EMAIL), recoveryCode });
  stranger.close();

  // Another connection takes the session over; a wrong key does not.
  const [other, { nonce }] = await connect();
  const other64 = Uint8Array.from(atob(nonce.replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
  const parts = [encoder.encode(session.sessionID), encoder.encode(origin), other64];
  const input = [...encoder.encode('passkey-accounts/resume/v1'), ...parts.flatMap((part) => [0, 0, 0, part.length, ...part])];
  const signature = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, new Uint8Array(input)));
  const text = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  await other.ask('session.resume', { sessionID: session.sessionID, signature: text(new Uint8Array(64).fill(1)) });
  await other.ask('session.resume', { sessionID: session.sessionID, signature: text(signature) });
  await line.hear('taken over');
  await other.ask('signOut', {});

  // Sign-in, known and unknown; a sign-up that comes too late.
  await other.ask('signIn.begin', { ...begin, email: 'grace@example.org' });
  await other.ask('ceremony.finish', await prompted(await other.ask('signIn.begin', begin)));
  await other.ask('signOut', {});
  await other.ask('signUp.begin', begin);
  await other.ask('signUp.verify', { code: await codeOf(EMAIL) });
  other.close();
}

/** Words that clients act on, and numbers, stay; of other text, what kind it is. */
function shape(value, name = '') {
  if (Array.isArray(value)) return [...new Set(value.map((item) => JSON.stringify(shape(item, name))))].map((item) => JSON.parse(item));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.keys(value).sort().map((key) => [key, shape(value[key], key)]);
    // The real server says more than the table where the page has made a mistake.
    return Object.fromEntries(entries.map(([key, of]) => [key, key === 'message' && MORE_PRECISE.includes(value.code) ? 'text' : of]));
  }
  if (typeof value === 'string' && RECOVERY_CODE.test(value)) return 'recovery code';
  if (typeof value !== 'string' || WORDS.includes(name)) return value;
  const [prefix] = /^[a-z]+_(?=[\da-v]{26}$)/.exec(value) ?? [];
  if (prefix) return prefix;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) ? 'time' : 'text';
}

const RECOVERY_CODE = /^([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{2}[0-9A-Z*~$=]$/;

const MORE_PRECISE = ['unknownType', 'badMessage'];

const WORDS = ['type', 'recovery', 'code', 'message', 'kind', 'policy', 'reason', 'error', 'residentKey', 'userVerification', 'attestation'];
