// The vectors in tests/vectors/proof/, checked through the public face in the vectors' own time. Runs in browsers too.
import { Accounts } from 'passkey-accounts/server';

/** A socket as the package `ws` has them, to a server that tells of sessions, and of the time that a step is checked at. */
class Server {
  static current;
  static sessions;
  #listeners = {};
  #bookmarks = 0;

  constructor() {
    Server.current = this;
    queueMicrotask(() => this.#emit('open'));
  }

  on(name, listener) {
    this.#listeners[name] = listener;
  }

  send(text) {
    if (JSON.parse(text).apiKey === undefined) return;
    const [connection, id] = ['con_00000000000000000000000000', 'acct_00000000000000000000000000'];
    const [time, expiresAt] = ['2026-11-22T17:00:00.000Z', '2026-11-24T00:00:00.000Z'];
    this.#say({ type: 'ready', data: { protocol: 1, connection, idleMs: 20_000, window: 0, time } });
    const sessions = Server.sessions.map((session) => {
      return { ...session, accountID: id, passkeyID: id.replace('acct', 'pk'), since: time, expiresAt };
    });
    this.#say({ type: 'snapshot', data: { sessions, first: true, last: true }, id: 'e-0' });
  }

  /** Nothing new, and it is this time. */
  setTime(now) {
    const [id, prev] = [`e-${this.#bookmarks + 1}`, `e-${this.#bookmarks}`];
    this.#bookmarks += 1;
    // Both clocks stand still: some proofs are exactly as old as they may be.
    Date.now = () => now;
    performance.now = () => 1_000_000;
    this.#say({ type: 'bookmark', data: { time: new Date(now).toISOString() }, id, prev });
  }

  close() {
    queueMicrotask(() => this.#emit('close', 1000, new Uint8Array()));
  }

  #say(message) {
    this.#emit('message', new TextEncoder().encode(JSON.stringify(message)), false);
  }

  #emit(name, ...details) {
    this.#listeners[name]?.(...details);
  }
}

/** Replays the cases of `requests.json` or `sockets.json`: what is off, and how many steps there were. */
export async function replay({ sessions, cases, origins }) {
  const clocks = [Date.now, performance.now.bind(performance)];
  const differences = [];
  let steps = 0;
  for (const { name, steps: ofCase } of cases) {
    Server.sessions = sessions;
    // Each case begins with no nonce remembered.
    const accounts = Accounts.connect('https://auth.example', 'pa_dev_x', { WebSocket: Server, ...(origins && { origins }) });
    const live = accounts.sessions;
    await live.inSync();
    for (const step of ofCase) {
      Server.current.setTime(step.now);
      // What a socket has said is taken when it has said all that it has.
      await undefined;
      const checked = origins ? request(live, step) : live.verifySocket(step.token, step);
      const outcome = await checked.then(() => 'accepted', (error) => error.code ?? String(error));
      if (outcome !== step.expect) differences.push(`${name}: ${outcome} instead of ${step.expect}`);
      steps += 1;
    }
    [Date.now, performance.now] = clocks;
    await accounts.close();
  }
  return { differences, steps };
}

async function request(live, { method, host, target, fields, body }) {
  const field = (wanted) => {
    const lines = fields.filter(([name]) => name === wanted).map(([, value]) => value);
    return lines.length > 0 ? lines.join(', ') : undefined;
  };
  const checked = await live.checkHead({ method, hosts: [host], pathAndQuery: target, field }, {});
  return checked.withBody(new TextEncoder().encode(body));
}
