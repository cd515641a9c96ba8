// The server that the test runs against, and what can be done to it (tests/it/node/control.rs).
import WebSocket from 'ws';
import { Accounts } from 'passkey-accounts/server';

export const { PASSKEY_ACCOUNTS_URL: url, PASSKEY_ACCOUNTS_API_KEY: apiKey } = process.env;

/** Has something done. */
export async function world(what, details = {}) {
  const response = await fetch(process.env.PASSKEY_ACCOUNTS_CONTROL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ do: what, ...details }),
  });
  if (!response.ok) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A handle that is closed when the test is over. */
export function connect(t, key = apiKey, options = { WebSocket }) {
  const accounts = Accounts.connect(url, key, options);
  t.after(() => accounts.close());
  return accounts;
}

/** The next item of a kind; others are acknowledged. */
export async function next(events, kind = 'event') {
  for await (const delivery of { [Symbol.asyncIterator]: () => ({ next: () => events.next() }) }) {
    if (delivery.item.kind === kind) return delivery;
    delivery.ack();
  }
  throw new Error('the stream has ended');
}

/** Resolves when the stream has this status. */
export function reaches(stream, wanted) {
  return new Promise((resolve) => {
    const look = () => {
      if (stream.status.status !== wanted) return;
      leave();
      resolve(stream.status);
    };
    const leave = stream.subscribe(look);
    look();
  });
}
