// A React app under StrictMode over the fake server. `walk` goes through it and says what was seen.
import { createElement as h, StrictMode, startTransition, useLayoutEffect, useState } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { connect } from 'passkey-accounts';
import { PasskeyProvider, useAccounts, useNews } from 'passkey-accounts/react';
import { FakeServer, install, SoftwareAuthenticator } from 'passkey-accounts/testing';

const email = 'ada@example.org';
const server = new FakeServer();
const authenticator = new SoftwareAuthenticator();
install({ server, authenticator });

let sockets = 0;
const { WebSocket } = globalThis;
globalThis.WebSocket = function (...parts) {
  sockets += 1;
  return new WebSocket(...parts);
};

const errors = [];
const torn = [];
const heard = [];
let accounts, show;
let wake = () => {};

/** Slow to render, so that React pauses between its copies while the state changes. */
function Copy() {
  const { status } = useAccounts();
  const until = performance.now() + 2;
  while (performance.now() < until);
  return h('i', null, status);
}

function App() {
  const [copies, setCopies] = useState(0);
  show = setCopies;
  accounts = useAccounts();
  useNews(({ type }) => {
    heard.push(type);
    wake();
  });
  useLayoutEffect(() => {
    const shown = new Set([...document.querySelectorAll('i')].map(({ textContent }) => textContent));
    if (shown.size > 1) torn.push([...shown]);
    wake();
  });
  return h('p', null, accounts.status, Array.from({ length: copies }, (_, key) => h(Copy, { key })));
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => (wake = resolve));
}

const text = () => document.querySelector('p')?.firstChild.textContent;

export async function walk() {
  await server.addAccount(email, authenticator);
  const tree = h(StrictMode, null, h(PasskeyProvider, { app: server.app, url: server.url, persistence: 'page' }, h(App)));
  const root = hydrateRoot(document.getElementById('root'), tree, { onRecoverableError: (error) => errors.push(String(error)) });
  await until(() => text() === 'signedOut');
  const connected = [sockets, server.connectionCount];
  const { signIn, signOut } = accounts;
  const { accountID } = await signIn({ email });
  await until(() => text() === 'signedIn');
  const isSame = accounts.session.accountID === accountID && accounts.signIn === signIn;
  startTransition(() => show(50));
  // Signed out and in again while React renders the copies.
  for (let times = 0; times < 5; times += 1) {
    await signOut();
    await signIn({ email });
  }
  await until(() => document.querySelectorAll('i').length === 50 && document.querySelectorAll('i')[49].textContent === 'signedIn');
  const elsewhere = await connect({ app: server.app, url: server.url, persistence: 'page' });
  await elsewhere.signIn({ email });
  await until(() => heard.length > 0);
  elsewhere.close();
  root.unmount();
  // The provider lets go of its client in a microtask, the socket says so in another.
  await new Promise((resolve) => setTimeout(resolve));
  return { connected, isSame, torn, heard, errors, left: [server.connectionCount, server.sessions.length], isFrozen: Object.isFrozen(accounts) };
}

globalThis.walk = walk;
document.title = 'ready';
