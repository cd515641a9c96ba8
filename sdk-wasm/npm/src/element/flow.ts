/** What the element shows, as a value: a pure function of what was shown before and what has happened. */

import type { EndReason, Recovered, Session, State } from '../types.js';

/** `recover`: for who has lost every passkey. */
export type Mode = 'sign-in' | 'sign-up' | 'recover';

/** What is being done. The screen stays meanwhile, so that nothing jumps. */
export type Task = 'prompt' | 'sending' | 'making' | 'signingOut';

export type Screen =
  | { readonly name: 'connecting' }
  /** Nothing can be done here before someone tries again. */
  | { readonly name: 'unavailable'; readonly failure?: Failure }
  /** This browser, or this page, cannot do it. */
  | { readonly name: 'not-supported'; readonly failure: Failure }
  /** The challenge was not ours: the person must not go on. */
  | { readonly name: 'mismatch' }
  | { readonly name: 'address' }
  | { readonly name: 'code'; readonly expiresAt: Date }
  | { readonly name: 'code-expired' }
  /** The recovery has begun, and gives a passkey then at the earliest. */
  | { readonly name: 'recovery-held'; readonly until: Date }
  /** The account has a new passkey, and nobody is signed in. */
  | { readonly name: 'recovered' }
  | { readonly name: 'signed-in'; readonly session: Session };

export type ScreenName = Screen['name'];

/** What of an error is shown. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What has happened, said below the form. */
export type Notice =
  | { readonly kind: 'failed'; readonly failure: Failure; readonly offer?: 'sign-in' | 'recover' }
  /** `elsewhere`: the person signed out, but not here. */
  | { readonly kind: 'ended'; readonly reason: EndReason | 'elsewhere' }
  | { readonly kind: 'expiring'; readonly at: Date }
  | { readonly kind: 'cancelled' | 'codeSentAgain' | 'codeLost' | 'held' | 'waitOver' };

/** The text at a field; its name is that of the string. */
export type Wrong = 'emailMissing' | 'emailInvalid' | 'codeInvalid' | 'wrongCode' | 'recoveryCodeMissing' | 'wrongRecoveryCode';

export interface Model {
  readonly screen: Screen;
  readonly mode: Mode;
  readonly link: 'connecting' | 'up' | 'lost' | 'down';
  /** Who has lost every passkey can be helped. */
  readonly canRecover?: boolean;
  /** As it was typed last. In memory only. */
  readonly email: string;
  readonly task?: Task | undefined;
  readonly wrong?: Wrong | undefined;
  readonly notice?: Notice | undefined;
  /** Nothing is sent before this time, in milliseconds since 1970: the server asked for it. */
  readonly waitUntilMs?: number | undefined;
  /** The connection that the mailed code belongs to is gone. */
  readonly isCodeLost?: boolean;
}

export type Happening =
  /** The client's state changed. */
  | { readonly type: 'state'; readonly state: State; readonly canRecover: boolean }
  /** Connecting begins. */
  | { readonly type: 'connect' }
  /** The person wants the other form, or to type another address. */
  | { readonly type: 'entry'; readonly mode: Mode }
  | { readonly type: 'email'; readonly email: string }
  /** What was typed cannot be sent. */
  | { readonly type: 'wrong'; readonly wrong: Wrong }
  | { readonly type: 'start'; readonly task: Task }
  | { readonly type: 'codeSent'; readonly expiresAt: Date }
  | { readonly type: 'recovered'; readonly recovered: Recovered }
  | { readonly type: 'done' }
  | { readonly type: 'cancelled' }
  | { readonly type: 'failed'; readonly failure: Failure; readonly nowMs: number }
  | { readonly type: 'tick'; readonly nowMs: number };

export function begin(mode: Mode): Model {
  return { screen: { name: 'connecting' }, mode, link: 'connecting', email: '' };
}

export function reduce(model: Model, happening: Happening): Model {
  switch (happening.type) {
    case 'state':
      return follow({ ...model, canRecover: happening.canRecover }, happening.state);
    case 'connect':
      return { ...begin(model.mode), email: model.email };
    case 'entry':
      return { ...calm(model), mode: happening.mode, screen: entry(model) };
    case 'email':
      return { ...model, email: happening.email };
    case 'wrong':
      return { ...calm(model), wrong: happening.wrong };
    case 'start':
      return { ...calm(model), task: happening.task };
    case 'codeSent': {
      const again = model.screen.name === 'code' || model.screen.name === 'code-expired';
      const screen: Screen = { name: 'code', expiresAt: happening.expiresAt };
      return { ...calm(model), screen, isCodeLost: false, notice: again ? { kind: 'codeSentAgain' } : undefined };
    }
    case 'recovered': {
      const { recovered } = happening;
      const screen: Screen = recovered.status === 'held' ? { name: 'recovery-held', until: recovered.until } : { name: 'recovered' };
      return { ...calm(model), screen };
    }
    case 'done':
      return { ...model, task: undefined };
    case 'cancelled':
      return { ...calm(model), notice: { kind: 'cancelled' } };
    case 'failed':
      return fail(model, happening.failure, happening.nowMs);
    case 'tick':
      return tick(model, happening.nowMs);
  }
}

/** When `tick` has to come next, in milliseconds since 1970. */
export function nextTickMs(model: Model, nowMs: number): number | undefined {
  const wait = model.waitUntilMs === undefined ? [] : [Math.min(model.waitUntilMs, nowMs + 1000)];
  const code = model.screen.name === 'code' ? [model.screen.expiresAt.getTime()] : [];
  const times = [...wait, ...code];
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Whether a button that sends something may be pressed. */
export function isReady({ link, task, waitUntilMs }: Model): boolean {
  return link === 'up' && task === undefined && waitUntilMs === undefined;
}

function follow(model: Model, state: State): Model {
  const wasSignedIn = model.screen.name === 'signed-in';
  switch (state.status) {
    case 'connecting':
      return { ...model, link: 'connecting' };
    case 'signedIn': {
      const { session, expiringAt } = state;
      const notice: Notice | undefined = expiringAt && { kind: 'expiring', at: expiringAt };
      // A task goes on that is about this session: signing out.
      const task = wasSignedIn ? model.task : undefined;
      return { ...calm(model), link: 'up', screen: { name: 'signed-in', session }, task, notice, waitUntilMs: undefined };
    }
    case 'signedOut':
      if (wasSignedIn) return leave({ ...model, link: 'up' }, state.reason ?? 'other');
      return greet({ ...model, link: 'up' }, state.reason);
    case 'reconnecting':
      if (state.session) {
        const screen: Screen = { name: 'signed-in', session: state.session };
        return { ...calm(model), link: 'lost', screen, task: model.task, notice: { kind: 'held' } };
      }
      if (wasSignedIn) return leave({ ...model, link: 'lost' }, state.reason ?? 'connectionLost');
      return { ...entered(model), link: 'lost', isCodeLost: isAboutCode(model) };
    case 'closed': {
      const failure = state.reason;
      if (failure?.code === 'challengeMismatch') return { ...calm(model), link: 'down', screen: { name: 'mismatch' } };
      if (model.screen.name === 'mismatch') return { ...model, link: 'down' };
      if (failure?.code === 'notSupported') {
        return { ...calm(model), link: 'down', screen: { name: 'not-supported', failure } };
      }
      return { ...calm(model), link: 'down', screen: { name: 'unavailable', ...(failure && { failure }) } };
    }
  }
}

/** From the session back to the form. Who signed out on purpose may leave the device to someone else. */
function leave(model: Model, reason: EndReason): Model {
  const email = reason === 'user' ? '' : model.email;
  const how = reason === 'user' && model.task !== 'signingOut' ? 'elsewhere' : reason;
  return { ...calm(model), mode: 'sign-in', email, screen: { name: 'address' }, notice: { kind: 'ended', reason: how } };
}

/** The connection is there and nobody is signed in. */
function greet(model: Model, reason: EndReason | undefined): Model {
  if (isAboutCode(model) && model.isCodeLost) {
    return { ...calm(model), isCodeLost: false, screen: { name: 'address' }, notice: { kind: 'codeLost' } };
  }
  const isFirst = model.screen.name === 'connecting' || model.screen.name === 'unavailable';
  if (!isFirst) return model;
  // That the person signed out themselves, perhaps elsewhere, is no news on a page that has just been opened.
  const notice: Notice | undefined = reason && reason !== 'user' ? { kind: 'ended', reason } : undefined;
  return { ...calm(model), screen: { name: 'address' }, notice };
}

function fail(model: Model, failure: Failure, nowMs: number): Model {
  const idle = calm(model);
  const notice = (offer?: 'sign-in' | 'recover'): Notice => ({ kind: 'failed', failure, ...(offer && { offer }) });
  switch (failure.code) {
    case 'challengeMismatch':
      return { ...idle, screen: { name: 'mismatch' } };
    case 'notSupported':
      return { ...idle, screen: { name: 'not-supported', failure } };
    case 'invalidEmail':
      return { ...idle, screen: { name: 'address' }, wrong: 'emailInvalid' };
    case 'wrongCode':
    case 'wrongRecoveryCode':
      return { ...idle, wrong: failure.code };
    case 'codeExpired':
      return { ...idle, screen: { name: 'code-expired' } };
    case 'tooManyAttempts':
      return { ...idle, screen: { name: 'code-expired' }, notice: notice() };
    case 'cancelled':
      // Browsers do not say whether this device has no such passkey.
      if (model.task === 'prompt' && model.canRecover) return { ...idle, notice: notice('recover') };
      if (model.task !== 'making') return { ...idle, notice: notice() };
      return { ...idle, notice: { kind: 'failed', failure: { ...failure, code: 'notMade' } } };
    case 'accountExists':
    case 'passkeyExists':
    case 'recoveryOff':
      return { ...idle, notice: notice('sign-in') };
    default: {
      const isUnconnected = model.screen.name === 'connecting' || model.screen.name === 'unavailable';
      if (isUnconnected) return { ...idle, link: 'down', screen: { name: 'unavailable', failure } };
      const { retryAfterMs } = failure;
      return { ...idle, notice: notice(), waitUntilMs: retryAfterMs ? nowMs + retryAfterMs : undefined };
    }
  }
}

function tick(model: Model, nowMs: number): Model {
  let next = model;
  if (next.waitUntilMs !== undefined && next.waitUntilMs <= nowMs) {
    next = { ...next, waitUntilMs: undefined, notice: { kind: 'waitOver' } };
  }
  // A code that is being checked was sent in time, perhaps: the server says.
  if (next.screen.name === 'code' && next.screen.expiresAt.getTime() <= nowMs && !next.task) {
    next = { ...calm(next), screen: { name: 'code-expired' } };
  }
  return next;
}

/** Without what was said and done before. A wait that the server asked for stays. */
function calm(model: Model): Model {
  return { ...model, task: undefined, wrong: undefined, notice: undefined };
}

function entry(model: Model): Screen {
  return model.link === 'connecting' ? { name: 'connecting' } : { name: 'address' };
}

function entered(model: Model): Model {
  return model.screen.name === 'connecting' ? { ...model, screen: { name: 'address' } } : model;
}

function isAboutCode({ screen, isCodeLost }: Model): boolean {
  return screen.name === 'code' || screen.name === 'code-expired' || isCodeLost === true;
}
