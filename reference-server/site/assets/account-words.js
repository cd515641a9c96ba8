// What the account page says: of passkeys and sessions, and when something fails.

/** What to do next, by the code of a `PasskeyError`; a code that is not here speaks for itself. */
const FAILURES = {
  cancelled: ['Nothing was changed.', 'The prompt was closed, it timed out, or none of your passkeys is at hand.'],
  challengeExpired: ['That took too long, and nothing was changed.', 'Please try again.'],
  challengeMismatch: [
    'The server sent a challenge that was not made for this page. Nothing was signed.',
    'Do not go on here. Reload the page; if this happens again, tell whoever runs this site.',
  ],
  connectionLost: ['The connection to the server was lost.', 'Please try again when it is back.'],
  internal: ['Something went wrong on the server. It has been logged.', 'Please try again.'],
  invalidName: ['A name has 1 to 64 characters.'],
  lastPasskey: ['This is the last passkey of the account.', 'Add another one first.'],
  passkeyExists: ['That device already has a passkey of this account.', 'Choose another device, or a security key.'],
  passkeyNotAllowed: [
    'This site takes security keys of certain models only, and nothing was changed.',
    'Use one of those, and let the site see its make and model when the browser asks.',
  ],
  passkeyRejected: ['This passkey was not accepted, and nothing was changed.', 'Try again, or confirm with another one.'],
  recoveryOff: ['This site has no recovery by code.', 'Add a second passkey instead.'],
  rateLimited: ['Those were too many attempts.', 'Please wait a little.'],
  sessionGone: ['The session has ended.', 'Please sign in again.'],
  tampered: ['What the server has stored of this account was changed by somebody else.', 'Nothing was done. Whoever runs this site has been told.'],
  tooManyPasskeys: ['This account has as many passkeys as it may.', 'Remove one that you no longer need.'],
  notFound: ['That is gone already.'],
};

/** An error as sentences. */
export function describeFailure(error) {
  if (typeof error?.code !== 'string') {
    reportError(error);
    return ['Something went wrong in this page.', 'Reload it and try again.'];
  }
  return FAILURES[error.code] ?? [makeSentence(error.message)];
}

/** What a person calls a passkey; where they did not say, who keeps it. */
export function nameOf({ name, provider }) {
  return name ?? provider ?? 'Passkey';
}

/** Where copies of a passkey are, as its authenticator reports it. */
export function describeBackup({ backedUp, backupEligible, provider }) {
  if (backedUp) return `Synced by ${provider ?? 'its provider'}`;
  if (backupEligible) return 'Could be synced, but has no copy yet';
  return 'Only on the device that made it';
}

/** What removing a passkey brings about. */
export function describeRemoval({ isCurrent }, openSessions) {
  if (isCurrent) return 'It opened this session: removing it signs you out here, and wherever else it signed you in.';
  if (openSessions === 0) return 'It can no longer sign you in. No open session depends on it.';
  const where = openSessions === 1 ? 'one place' : `${openSessions} places`;
  return `It can no longer sign you in. You are signed out in ${where} where it did.`;
}

/** What carries a session. */
export function describeBrowser({ browser }) {
  return browser === '' ? 'A browser that did not say its name' : browser;
}

function makeSentence(text) {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
