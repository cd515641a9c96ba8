/** The element itself: attributes, properties, events, and the life of its client. */

import { connect } from '../index.js';
import type { Client, ConnectOptions, EndReason, News, Session, State } from '../types.js';
import type { Mode, ScreenName } from './flow.js';
import { chooseStrings, type StringsOverride } from './strings.js';
import { styles } from './styles.js';
import { View } from './view.js';
import { Visit } from './visit.js';

// On a server there is no such class, and importing must do nothing there.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * `<passkey-login app="app_...">`: signs people up, in and out, and leads those who have lost every passkey through a recovery.
 *
 * Attributes: `app`, `url`, `persistence` (as {@link ConnectOptions}), `mode` (`sign-in`, `sign-up` or `recover`, kept up to
 * date), `heading-level` (1 to 6, default 2), `lang` (of itself or around it: chooses the texts).
 *
 * Events, all bubbling and composed: `passkey-signed-in` with `detail.session`, also when it finds a session that is open
 * already; `passkey-signed-out` with `detail.reason`; `passkey-news` with `detail.news` (see `Client.onNews`);
 * `passkey-error` with `detail.error`.
 *
 * Slots: one for each screen, named by `screen`: what a page adds there is shown below it.
 */
export class PasskeyLogin extends Base {
  static readonly observedAttributes = ['app', 'url', 'persistence', 'mode', 'heading-level', 'lang'];

  #visit: Visit | undefined;
  #view: View | undefined;
  #given: Client | undefined;
  #strings: StringsOverride | undefined;
  /** Of the client that this element made, and whether it is closed with it. */
  #own: AbortController | undefined;
  #session: Session | undefined;
  #isRestarting = false;

  /** The client that is used: the one that the page gave, or the one that the element made. */
  get client(): Client | undefined {
    return this.#given ?? this.#visit?.client;
  }

  /** Gives the element a client of the page's own. It is never closed by the element. */
  set client(client: Client | undefined) {
    this.#given = client ?? undefined;
    if (!this.isConnected) return;
    // Nothing of what was typed for another client stays.
    this.#visit?.leave();
    this.#visit = undefined;
    this.#start();
  }

  /** Texts that replace those of the language. */
  get strings(): StringsOverride | undefined {
    return this.#strings;
  }

  set strings(strings: StringsOverride | undefined) {
    this.#strings = strings;
    this.#redraw();
  }

  /** Which form is shown to who is not signed in. */
  get mode(): Mode {
    const mode = this.getAttribute('mode');
    return mode === 'sign-up' || mode === 'recover' ? mode : 'sign-in';
  }

  set mode(mode: Mode) {
    this.setAttribute('mode', mode);
  }

  /** What is shown now. */
  get screen(): ScreenName {
    return this.#visit?.model.screen.name ?? 'connecting';
  }

  /** Connects anew, for example after the page's network is back. */
  reconnect(): void {
    this.#start();
  }

  /** Takes the browser's prompt away, as the button does. */
  cancel(): void {
    this.#visit?.cancel();
  }

  /** Ends the session, as the button does. */
  signOut(): void {
    this.#visit?.signOut();
  }

  /** Focuses the field, or the heading where there is none. */
  override focus(options?: FocusOptions): void {
    const target = this.shadowRoot?.querySelector<HTMLElement>('input') ?? this.shadowRoot?.querySelector<HTMLElement>('h2');
    target?.focus(options);
  }

  connectedCallback(): void {
    if (!this.shadowRoot) {
      this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [styles()];
    }
    this.#adopt('client');
    this.#adopt('strings');
    // Moved within the page: nothing begins anew.
    if (this.#visit) this.#redraw();
    else this.#start();
  }

  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#visit?.leave();
      this.#visit = undefined;
      // A page may put its own content in the element's place: that must not end the session.
      if (!this.#session) this.#letGo();
      this.#own = undefined;
      this.#session = undefined;
    });
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.#visit) return;
    if (name === 'mode') {
      if (this.mode !== this.#visit.model.mode && !this.#session) this.#visit.choose(this.mode);
    } else if (name === 'lang' || name === 'heading-level') {
      this.#redraw();
    } else if (!this.#isRestarting) {
      // Several attributes that change together are one change.
      this.#isRestarting = true;
      queueMicrotask(() => {
        this.#isRestarting = false;
        if (this.isConnected && !this.#given) this.#start();
      });
    }
  }

  #start(): void {
    this.#letGo();
    const visit = (this.#visit ??= this.#makeVisit());
    const app = this.getAttribute('app');
    if (this.#given) {
      this.#redraw();
      visit.follow(this.#given);
      return;
    }
    visit.connect();
    this.#redraw();
    if (!app) return;
    const own = new AbortController();
    this.#own = own;
    void connect({ ...this.#options(), app, signal: own.signal }).then(
      (client) => {
        if (this.#own === own) visit.follow(client);
        else client.close();
      },
      (error: unknown) => {
        if (this.#own === own) visit.fail(error);
      },
    );
  }

  #options(): Partial<ConnectOptions> {
    const url = this.getAttribute('url');
    const isPage = this.getAttribute('persistence') === 'page';
    return { ...(url && { url }), ...(isPage && { persistence: 'page' }) };
  }

  /** Closes the client that the element made. With whichever client it had, its session is over for who listens. */
  #letGo(): void {
    this.#own?.abort();
    this.#own = undefined;
    if (!this.#session) return;
    this.#session = undefined;
    this.#emit('passkey-signed-out', { reason: 'other' });
  }

  #makeVisit(): Visit {
    return new Visit(
      {
        show: (model, takesFocus) => {
          if (this.mode !== model.mode) this.mode = model.mode;
          this.#view?.show(model, Date.now(), takesFocus && this.isConnected);
        },
        fail: (error) => this.#emit('passkey-error', { error }),
        changed: (state) => this.#changed(state),
        told: (news) => this.#emit('passkey-news', { news }),
        retry: () => this.#start(),
      },
      this.mode,
    );
  }

  /** Builds the view anew, with the texts and the heading as they are now. */
  #redraw(): void {
    const root = this.shadowRoot;
    const visit = this.#visit;
    if (!root || !visit) return;
    const lang = this.closest('[lang]')?.getAttribute('lang') ?? '';
    const level = Number(this.getAttribute('heading-level') ?? 2);
    const canRetry = this.#given === undefined;
    this.#view = new View(root, chooseStrings(lang, this.#strings), visit, level, canRetry);
    root.replaceChildren(this.#view.element);
    this.#view.show(visit.model, Date.now(), false);
  }

  #changed({ status, session, reason }: State): void {
    const before = this.#session;
    // A session whose connection was lost is still the person's.
    this.#session = session;
    if (session && session.sessionID !== before?.sessionID) this.#emit('passkey-signed-in', { session });
    if (before && !session) {
      const ended = typeof reason === 'string' ? reason : 'other';
      this.#emit('passkey-signed-out', { reason: ended });
    }
    if (status === 'closed' && reason) this.#emit('passkey-error', { error: reason });
  }

  #emit(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** A property that was set before the element was defined hides the accessor of the class: set it once more. */
  #adopt(name: 'client' | 'strings'): void {
    if (!Object.hasOwn(this, name)) return;
    const { [name]: value } = this as Record<string, unknown>;
    delete (this as Record<string, unknown>)[name];
    (this as Record<string, unknown>)[name] = value;
  }
}

declare global {
  interface HTMLElementEventMap {
    'passkey-signed-in': CustomEvent<{ session: Session }>;
    'passkey-signed-out': CustomEvent<{ reason: EndReason }>;
    'passkey-news': CustomEvent<{ news: News }>;
    'passkey-error': CustomEvent<{ error: unknown }>;
  }
}
