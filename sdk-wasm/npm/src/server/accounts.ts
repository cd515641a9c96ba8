/** One server as a back end sees it: its address and a key for it. */

import { Api } from './api.js';
import { Events, type Connection, type EventsOptions } from './events.js';
import type { EvidenceOptions } from './evidence.js';
import { thrown } from './failure.js';
import { LiveSessions } from './live.js';
import { load } from './load.js';
import { makeMiddleware, type Middleware, type MiddlewareOptions } from './middleware.js';
import { checkOrigins } from './proof.js';
import type { WebSocketClass } from './socket.js';

/**
 * The API key or key pair (`pa_pair_...`, which signs and is never sent), or what gives it: asked before each connection, and
 * once more when the server has refused its key; a different one is tried, the same one ends the stream.
 */
export type KeyProvider = string | (() => string | Promise<string>);

export interface AccountsOptions {
  /** The origins that this back end is reached at, as browsers write them (`https://app.example`): what proofs are for. */
  origins?: readonly string[];
  /**
   * Have `sessions` believe nothing that a passkey should have signed and did not: a session is live if and only if a
   * passkey was seen to open it. The log is read from where the pins end, the first time from its beginning.
   */
  evidence?: EvidenceOptions;
  /**
   * Send the API key unencrypted if the address says `http://`. Not needed for this machine itself; elsewhere, whoever
   * carries the bytes can read the key and the events.
   */
  allowPlaintext?: boolean;
  /** The class to make sockets with. By default the platform's own, and where there is none, that of the package `ws`. */
  WebSocket?: WebSocketClass;
}

/** A Passkey Accounts server and the key to it. Everything else is opened from here, and ends with it. */
export class Accounts {
  #connection: Connection;
  #open = new Set<Events | LiveSessions>();
  #live: LiveSessions | undefined;
  #options: Pick<AccountsOptions, 'origins' | 'evidence'>;
  #api: Api | undefined;

  private constructor(connection: Connection, options: Pick<AccountsOptions, 'origins' | 'evidence'>) {
    this.#connection = connection;
    this.#options = options;
  }

  /**
   * A handle of the server at `https://HOST[:PORT]`, or at any address of its event stream. Nothing is sent before
   * something is opened. Throws `badAddress` for what can never work, a TypeError for origins that are none.
   */
  static connect(url: string | URL, apiKey: KeyProvider, options: AccountsOptions = {}): Accounts {
    const { allowPlaintext = false, origins, evidence, WebSocket } = options;
    let address: string;
    try {
      address = load().eventsAddress(String(url), allowPlaintext);
    } catch (failure) {
      throw thrown(failure);
    }
    if (origins) checkOrigins(origins);
    const key = typeof apiKey === 'string' ? (): string => apiKey : apiKey;
    return new Accounts({ address, key, WebSocket }, { ...(origins && { origins }), ...(evidence && { evidence }) });
  }

  /**
   * Opens the event stream. A *view* begins with the sessions that are open and then follows the log; with a `consumer`
   * name it is a *worker*, whose position the server keeps.
   */
  events(options: EventsOptions = {}): Events {
    return this.#keep(new Events(this.#connection, options, (events) => this.#open.delete(events)));
  }

  /** The sessions that are open now. One connection, made when this is first asked for, until it is closed. */
  get sessions(): LiveSessions {
    this.#live ??= this.#keep(
      new LiveSessions(this.#connection, this.#options, (live) => {
        this.#open.delete(live);
        if (this.#live === live && live.failure === undefined) this.#live = undefined;
      }),
    );
    return this.#live;
  }

  /** The same as `sessions`. */
  liveSessions(): LiveSessions {
    return this.sessions;
  }

  /** Commands and questions over HTTP: end a session, look at an account, make keys. */
  get api(): Api {
    this.#api ??= new Api(this.#connection);
    return this.#api;
  }

  /**
   * Lets a request through when a live session has signed it, and answers everything else with problem details and a code
   * of the one table. One function for three shapes: `app.use(middleware)` in Express, Connect and Hono,
   * `app.addHook('onRequest', middleware)` in Fastify. The account is `request.account`, in Hono `c.get('account')`.
   *
   * The body is read whole, up to `bodyLimit`, after the signature was found good, and is left for whatever parses it:
   * put the middleware before body parsers, or have them keep the bytes as `request.rawBody`.
   */
  middleware(options: MiddlewareOptions = {}): Middleware {
    return makeMiddleware(this.sessions, options);
  }

  /** Ends everything that was opened from here. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((open) => open.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #keep<Opened extends Events | LiveSessions>(opened: Opened): Opened {
    this.#open.add(opened);
    return opened;
  }
}
