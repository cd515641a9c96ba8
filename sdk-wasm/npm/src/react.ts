'use client';

/**
 * React's view of a client: a provider that connects, and hooks that follow its state. Works on a server too, where
 * everybody sees `connecting` and nothing is connected.
 */

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';

import { connect } from './index.js';
import { Store, type Accounts } from './react/store.js';
import type { Client, ConnectOptions, News, Session } from './types.js';

export type { AccountActions, Accounts } from './react/store.js';

/** What to connect to. Changing any of it closes the client and connects anew. */
export interface ConnectingProps extends Omit<ConnectOptions, 'signal'> {
  client?: never;
  children?: ReactNode;
}

/** A client that somebody else connected, and closes. */
export interface ClientProps {
  client: Client;
  app?: never;
  url?: never;
  persistence?: never;
  worker?: never;
  pageGoneMs?: never;
  children?: ReactNode;
}

const Context = createContext<Store | undefined>(undefined);

/**
 * Connects while it is mounted, once, also under `StrictMode`; what is inside reads the state with {@link useAccounts}.
 *
 * ```tsx
 * <PasskeyProvider app="app_..."><App /></PasskeyProvider>
 * ```
 */
export function PasskeyProvider(props: ConnectingProps | ClientProps): ReactElement {
  const { client, app, url, persistence, worker, pageGoneMs } = props;
  const parts = [client, app, url?.toString(), persistence, worker?.toString(), pageGoneMs];
  const [kept, keep] = useState(() => ({ parts, store: makeStore(props) }));
  let { store } = kept;
  // Another app or client: the store is replaced before anything is shown of the old one.
  if (kept.parts.some((part, index) => part !== parts[index])) {
    store = makeStore(props);
    keep({ parts, store });
  }
  useEffect(() => store.attach(), [store]);
  return createElement(Context.Provider, { value: store }, props.children);
}

/**
 * Where the page stands, and what can be done: `const { status, session, signIn } = useAccounts()`. Checking `status`
 * tells TypeScript whether there is a `session`. The same object until something changes.
 */
export function useAccounts(): Accounts {
  const store = useStore();
  return useSyncExternalStore(store.subscribe, store.snapshot, store.serverSnapshot);
}

/** The open session, if there is one; also while its connection is being made anew. */
export function useSession(): Session | undefined {
  return useAccounts().session;
}

/**
 * Calls `listener` when something happens elsewhere to the account of the open session: see `Client.onNews`. It may be
 * another function each time; the newest is called.
 */
export function useNews(listener: (news: News) => void): void {
  const store = useStore();
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => store.onNews((news) => newest.current(news)), [store]);
}

function useStore(): Store {
  const store = useContext(Context);
  if (!store) throw new Error('the hooks of passkey-accounts work inside <PasskeyProvider>');
  return store;
}

function makeStore({ client, children, ...options }: ConnectingProps | ClientProps): Store {
  return new Store(client ?? ((signal) => connect({ ...(options as ConnectOptions), signal })));
}
