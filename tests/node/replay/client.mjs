// The machine that back ends get, in virtual time, replaying what its server and its application do in a transcript. Runs
// in browsers too.
import { Batch, elsewhere, positionOf, Stream } from '../node_modules/internals.mjs';
import { difference, word } from './transcripts.mjs';

const KEY = 'pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36';
/** The `x` of the Ed25519 key whose seed is 32 bytes 7: it signs the heads. */
const HEAD_KEY = '6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw';
const APP = { appID: 'app_040g2081040g2081040g208104', rpID: 'shop.example', origins: ['https://shop.example'] };
const ADDRESS = 'wss://auth.example/v1/events';

/** Jitter is drawn anew with each: every wait must be within the transcript's bounds. */
export const SEEDS = Array.from({ length: 20 }, (_, index) => (index + 0.5) / 20);

/** Words that are about the server alone. */
const SERVERS_WORDS = [
  ...['login', 'logins', 'logout', 'register', 'cut', 'restore', 'drain', 'stalls', 'settled', 'released'],
];

/** Replays a transcript: what is off, or `undefined`. */
export function replay({ header, lines }, seed) {
  const client = new Client(header, seed);
  // What the machine's clock is ahead of the transcript's.
  let ahead = 0;
  for (const line of lines) {
    if (!isAboutTheClient(header.role, line)) continue;
    if (!isExpectedOfTheClient(line)) {
      client.advance(line.t + ahead, () => false);
      const unseen = client.unseen();
      if (unseen && isBefore(unseen.at, line.t + ahead)) return `${line.place}: before it the client said ${show(unseen)}`;
      client.feed(line);
      continue;
    }
    const [from, to] = (line.within ?? [line.t, line.t]).map((t) => t + ahead);
    const queue = line.kind === '=' ? client.seen : client.wire;
    client.advance(to, () => queue.length > 0);
    const said = queue.shift();
    if (!said) return `${line.place}: expected ${JSON.stringify(line.value)}, was nothing`;
    const off = difference(line, said);
    if (off) return `${line.place}: ${off}`;
    if (isBefore(said.at, from) || isBefore(to, said.at)) {
      return `${line.place}: expected between ${from} and ${to}, was at ${said.at}: ${show(said)}`;
    }
    if (line.within) ahead = said.at - line.t;
  }
  const unseen = client.unseen();
  return unseen && `${lines.at(-1).place}: after it the client said ${show(unseen)}`;
}

/** Times are fractions of milliseconds, and sums of them are not exact. */
function isBefore(first, second) {
  return first < second - 0.01;
}

function show(said) {
  return said.frame ?? JSON.stringify(said.word);
}

function isAboutTheClient(role, line) {
  const isTheServers = (line.kind === '!' || line.kind === '=') && SERVERS_WORDS.includes(word(line)[0]);
  return role !== 'both' || (line.on === 'a' && !isTheServers);
}

/** Whether a line says what a client must do, instead of what happens to it. */
export function isExpectedOfTheClient(line) {
  return line.kind === '>' || line.kind === '=' || (line.kind === '!' && word(line)[0] === 'clientCloses');
}

class Client {
  wire = [];
  seen = [];
  #now = 0;
  #header;
  #keys;
  #stream;
  #handedOver = [];

  constructor(header, seed) {
    this.#header = header;
    this.#keys = [...(header.keys ?? [KEY])];
    this.#stream = new Stream(JSON.stringify(header.subscription ?? {}), seed, 0);
    if (header.evidence) this.#stream.evidence(JSON.stringify(APP), undefined, 0);
    if (header.witness) this.#stream.witness([HEAD_KEY], undefined);
  }

  /** Lets time pass until `to`, or until that is so. */
  advance(to, isEnough) {
    for (let steps = 0; steps < 100_000; steps++) {
      this.#collect();
      if (isEnough()) return;
      const deadline = this.#stream.pollTimeout();
      if (deadline === undefined || isBefore(to, deadline)) {
        this.#now = Math.max(this.#now, to);
        return;
      }
      this.#now = Math.max(this.#now, deadline);
      this.#stream.tick(this.#now);
    }
    throw new Error(`the client wants to be woken again and again at ${this.#now}`);
  }

  /** The first thing that was said and that nobody has looked at. */
  unseen() {
    const [wire, seen] = [this.wire[0], this.seen[0]];
    return wire && seen ? (seen.at < wire.at ? seen : wire) : (wire ?? seen);
  }

  /** Something happens to it. */
  feed(line) {
    const [stream, now] = [this.#stream, this.#now];
    if (line.kind === '<') {
      // Both ways that a frame can take.
      const bytes = new TextEncoder().encode(line.frame);
      if (this.#handedOver.length % 2) stream.message(now, line.frame);
      else stream.messages(now, bytes, Uint32Array.of(bytes.length));
      this.#collect();
      return;
    }
    const [name, value] = word(line);
    const happenings = {
      open: () => stream.opened(now, ADDRESS),
      lost: () => stream.broken(now, 'connection reset'),
      refused: () => stream.refused(now, value.status, value.retryAfterMs),
      serverCloses: () => stream.closed(now, value.code, value.reason ?? ''),
      heard: () => stream.heard(now),
      key: () => stream.key(now, value),
      keyFailed: () => stream.keyFailed(now, 'the vault is closed'),
      position: () => stream.position(now, value.lane ?? 0, value.id ?? undefined),
      positionFailed: () => stream.positionFailed(now, value.lane ?? 0, 'the database is locked'),
      handled: () => stream.settle(now, this.#handedOver[value - 1], true),
      failed: () => stream.settle(now, this.#handedOver[value - 1], false),
      stop: () => stream.stop(now),
      wait: () => {},
    };
    if (!(name in happenings)) throw new Error(`${line.place}: no such word`);
    happenings[name]();
    this.#collect();
  }

  #see(word) {
    this.seen.push({ at: this.#now, word });
  }

  #poll() {
    try {
      const text = this.#stream.pollItems(this.#now, 64);
      return text === undefined ? undefined : new Batch(text);
    } catch (found) {
      // The witness or the pins: the stream is over.
      this.#see({ ends: JSON.parse(found).code });
      return undefined;
    }
  }

  #collect() {
    for (;;) {
      for (let batch = this.#poll(); batch !== undefined; batch = this.#poll()) {
        while (!batch.isEmpty) {
          const { token, lane, lease, item } = batch.take();
          this.#see(shown(item, lane, lease));
          this.#handedOver.push(token);
          if (!this.#header.handlesByHand) this.#stream.handled(this.#now, Uint32Array.of(token));
        }
      }
      const output = this.#stream.pollOutput();
      if (output === undefined) return;
      this.#carryOut(JSON.parse(output));
    }
  }

  #carryOut(wanted) {
    switch (wanted.want) {
      case 'key':
        if (this.#header.keysByHand) this.#see('asksForKey');
        else this.#stream.key(this.#now, this.#keys.length > 1 ? this.#keys.shift() : (this.#keys[0] ?? ''));
        return;
      case 'connect':
        return this.#see({ connects: wanted.url === null ? ADDRESS : elsewhere(ADDRESS, wanted.url) });
      case 'send':
        this.wire.push({ at: this.#now, frame: wanted.text });
        return;
      case 'close':
        this.wire.push({ at: this.#now, word: { clientCloses: { code: wanted.code, reason: wanted.reason } } });
        return;
      case 'start':
        return this.#see({ asksForPosition: { lane: wanted.lane, lease: wanted.lease } });
      case 'status':
        // The transcripts count whole milliseconds.
        if (wanted.status === 'waiting') return this.#see({ waiting: Math.floor(wanted.retryInMs) });
        return this.#see({ status: wanted.status });
      case 'end':
        return this.#see({ ends: wanted.code });
    }
  }
}

/** An item as a transcript shows it. */
function shown(item, lane, lease) {
  const said = { position: positionOf(item) ?? null, lane, lease };
  switch (item.kind) {
    case 'event': {
      const { name, seq, time, json } = item;
      return { event: { ...said, type: name, seq, time: time.toISOString(), data: JSON.parse(json) } };
    }
    case 'snapshot': {
      const sessions = item.sessions.map((session) => JSON.parse(JSON.stringify(session)));
      return { snapshot: { ...said, first: item.first, last: item.last, sessions } };
    }
    case 'gap':
      return { gap: { ...said, reason: item.reason, after: item.after, next: item.next } };
    case 'bookmark':
      return { bookmark: said };
  }
}
