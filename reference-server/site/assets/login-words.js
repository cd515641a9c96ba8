// What the Login page says: each error with what to do next, and each way in which a session ends.

import { make } from '/assets/site.js';

/** What to do next, by the code of a `PasskeyError`; `action` names what the page offers. */
const NEXT = {
  cancelled: ['Try again and confirm the prompt. If you have no account yet, create one.'],
  passkeyRejected: ['Try again, or use another passkey if you have one.'],
  passkeyExists: ['This device already holds a passkey for the account.', 'signIn'],
  accountExists: [null, 'signIn'],
  wrongCode: [null, 'field'],
  invalidEmail: [null, 'field'],
  codeExpired: [null, 'newCode'],
  tooManyAttempts: [null, 'newCode'],
  notSupported: ['Open this page in a current browser, on a device with a screen lock, over HTTPS or on localhost.'],
  connectionLost: [null, 'reconnect'],
  overCapacity: [null, 'reconnect'],
  challengeMismatch: ['Do not go on here. Reload the page; if this happens again, tell whoever runs this site.', 'reload'],
  originNotAllowed: ['Whoever runs this server has to do that.'],
  unknownApp: ['Whoever runs this server has to create the app first.'],
  unexpected: ['Reload the page and start again.', 'reload'],
  badMessage: ['Reload the page and start again.', 'reload'],
  unknownType: ['The page and the server are of different versions. Reload the page.', 'reload'],
};

/** An error as `{ text, next, action }`: what happened, what to do, and the button or field that helps. */
export function describeError(error) {
  if (typeof error?.code !== 'string') {
    console.error(error);
    return { text: 'Something went wrong in this page.', next: 'Reload it and try again.', action: 'reload' };
  }
  const [next, action] = NEXT[error.code] ?? [null];
  return { text: makeSentence(error.message), next: describeWait(error.retryAfterMs) ?? next, action };
}

function describeWait(ms) {
  if (!ms) return null;
  const seconds = Math.ceil(ms / 1000);
  const [count, unit] = seconds < 90 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
  return `Try again in ${count} ${unit}${count === 1 ? '' : 's'}.`;
}

function makeSentence(text) {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

const ENDS = {
  user: 'You have signed out.',
  pageGone: 'The session ended because its page went away.',
  connectionLost: 'The session ended because the connection was lost.',
  idleTimeout: 'The session ended because nothing happened for a while.',
  absoluteTimeout: 'The session reached its longest duration and ended.',
  revoked: 'The session was ended from elsewhere.',
  replaced: 'A newer session took the place of this one.',
  passkeyRemoved: 'The session ended because its passkey was removed.',
  accountErased: 'The session ended because the account was erased.',
  keyRevoked: 'The session ended because a key of this app was revoked.',
  serverLost: 'The session ended because the server that carried it went away.',
};

/** Why a session ended, as a sentence. */
export function describeEnd(reason) {
  return ENDS[reason] ?? 'The session has ended.';
}

/** Why `/sdk/index.js` could not be imported. */
export async function describeModuleFailure() {
  const response = await fetch('/sdk/index.js', { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  if (response?.status !== 404) return { text: 'The browser module could not be loaded.' };
  const text = make('span', {}, 'The browser module has not been built. Run ', make('code', {}, 'cargo xtask build'), '.');
  return { text };
}
