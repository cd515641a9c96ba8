// Type-checked, never run: what a back end in strict TypeScript, without the DOM's types, can write.
import WebSocket from 'ws';
import {
  Accounts,
  ApiError,
  PasskeyError,
  fileCheckpoint,
  filePins,
  problem,
  type Account,
  type CheckpointStore,
  type Delivery,
  type Ended,
  type Event,
  type EventOf,
  type Item,
  type LoggedOut,
  type EvidenceOptions,
  type PinStore,
  type PositionStore,
  type SessionsPage,
} from 'passkey-accounts/server';

export async function follow(signal: AbortSignal): Promise<void> {
  await using accounts = Accounts.connect('https://auth.example', async () => 'pa_live_...', { WebSocket });
  for await (const delivery of accounts.events({ consumer: 'billing', lanes: 4, types: ['*'], signal })) {
    describe(delivery.item);
    delivery.ack();
  }
}

/** Every kind and type, told apart without a cast: a new one breaks this. */
function describe(item: Item): string {
  switch (item.kind) {
    case 'event':
      return about(item);
    case 'snapshot':
      return item.sessions.map(({ accountID, since }) => `${accountID} ${since.getTime()}`).join();
    case 'gap':
      return `${item.reason} ${item.oldest ?? ''}`;
    case 'bookmark':
      return item.time.toISOString();
    default:
      return item satisfies never;
  }
}

function about(event: Event): string {
  if (event.type === 'loggedIn') {
    const seconds: number = event.data.expiresAt.getTime() / 1000;
    return `${event.data.accountID} ${event.data.sessionKey.x} ${event.data.evidence?.signature} ${seconds}`;
  }
  if (event.type === 'loggedOut') return reason(event.data);
  if (event.type === 'confirmed') return JSON.stringify(event.data.action);
  if (event.type === 'other') return `${event.name} ${event.json}`;
  // @ts-expect-error: not every event has an account
  return event.data.accountID;
}

function reason({ reason }: LoggedOut): string {
  // @ts-expect-error: there is no such reason
  if (reason === 'bored') return '';
  return reason satisfies Ended;
}

export const positions: PositionStore = {
  async claim(consumer, lane, lease) {
    return lease > 0 ? `${consumer} ${lane}` : null;
  },
};

export async function answer(accounts: Accounts, request: Request): Promise<Response> {
  const live = accounts.liveSessions();
  try {
    const { accountID, session }: Account = await live.verify(request, { origins: ['https://app.example'] });
    session.ended().then((ended: Ended) => console.log(ended));
    return new Response(accountID);
  } catch (error) {
    if (error instanceof PasskeyError && error.code === 'stale') console.warn(error.message);
    return problem(error);
  }
}

export async function byHand(delivery: Delivery, accounts: Accounts): Promise<EventOf<'loggedOut'> | undefined> {
  for await (const end of accounts.liveSessions().endings()) {
    if ('missed' in end) console.log(end.missed);
    else console.log(end.sessionID, end.accountIsGone);
  }
  const { item } = delivery;
  return item.kind === 'event' && item.type === 'loggedOut' ? item : undefined;
}

export async function manage(accounts: Accounts): Promise<number> {
  let page: SessionsPage | undefined;
  do {
    page = await accounts.api.sessions(page?.next === undefined ? {} : { after: page.next });
    for (const { sessionID, since } of page.sessions) if (since.getTime() < 0) await accounts.api.endSession(sessionID);
  } while (page.next !== undefined);
  const { apiKey, key } = await accounts.api.createKey({ scopes: ['events:read'], expiresAt: new Date() });
  try {
    const { events } = await accounts.api.events({ types: ['*'], limit: 10 });
    return events.map(about).length + apiKey.length + (key.expiresAt?.getTime() ?? 0);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.gap?.reason === 'truncated' ? (error.status ?? 0) : (error.retryAfterMs ?? 0);
  }
}

export async function audit(accounts: Accounts, store: CheckpointStore): Promise<void> {
  const witness = { keys: ['x'], checkpoint: Math.random() < 0.5 ? store : fileCheckpoint('log.checkpoint') };
  for await (const item of accounts.events({ types: ['*'], witness }).items()) describe(item);
}

export async function distrust(store: PinStore, rest: Omit<EvidenceOptions, 'pins'>): Promise<number> {
  const evidence: EvidenceOptions = { ...rest, pins: store };
  await using accounts = Accounts.connect('https://auth.example', 'pa_live_...', { evidence });
  for await (const item of accounts.events({ evidence: { ...rest, pins: filePins('shop.pins') } }).items()) describe(item);
  // @ts-expect-error: whose signatures are to be expected is not the server's to say
  accounts.events({ evidence: { pins: store } });
  return accounts.sessions.count;
}
