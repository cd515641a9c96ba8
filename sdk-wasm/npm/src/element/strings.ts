/** Every text of the element. English is built in; a page adds other languages or replaces single texts. */

/**
 * Texts with places to fill: `{email}`, `{time}`, `{duration}`. Where a text has none of them, it may leave them out.
 * A heading, a label and a button need some text; any other may be empty.
 */
export interface Strings {
  /** The language of these texts, as in the `lang` attribute; dates and numbers are written in it. */
  lang: string;

  // How the connection is.
  connecting: string;
  connected: string;
  live: string;
  lost: string;
  notConnected: string;

  // Before anything can be done, or when nothing can.
  connectingText: string;
  unavailableTitle: string;
  unavailableText: string;
  notSupportedTitle: string;
  notSupportedNext: string;
  mismatchTitle: string;
  retry: string;
  reload: string;

  // The address.
  signInTitle: string;
  signInText: string;
  signInButton: string;
  signUpTitle: string;
  signUpText: string;
  signUpButton: string;
  email: string;
  noAccount: string;
  createOne: string;
  haveAccount: string;
  signInInstead: string;

  // The prompt of the browser.
  waiting: string;
  promptText: string;
  making: string;
  makingText: string;
  cancel: string;
  cancelled: string;

  // The code.
  sending: string;
  codeTitle: string;
  codeText: string;
  code: string;
  codeHint: string;
  codeButton: string;
  newCode: string;
  otherAddress: string;
  codeSentAgain: string;
  codeLost: string;
  codeExpiredTitle: string;
  codeExpiredText: string;

  // Recovery.
  lostPasskeys: string;
  recoverTitle: string;
  recoverText: string;
  havePasskey: string;
  recoveryCode: string;
  recoveryCodeHint: string;
  recoverButton: string;
  checking: string;
  recoveringText: string;
  recoveryHeldTitle: string;
  recoveryHeldText: string;
  recoveryHeldNext: string;
  recoveredTitle: string;
  recoveredText: string;

  // The session.
  signedInTitle: string;
  account: string;
  since: string;
  endsAtLatest: string;
  expiring: string;
  held: string;
  signOut: string;
  signingOut: string;

  // What is wrong with a field.
  emailMissing: string;
  emailInvalid: string;
  codeInvalid: string;
  wrongCode: string;
  recoveryCodeMissing: string;
  wrongRecoveryCode: string;

  /** How long to wait, counted down. */
  wait: string;
  waitOver: string;
  /** What happened, by the code of the error; for other codes the error's own sentence is shown. */
  errors: Readonly<Record<string, string>>;
  /** What to do then, by the same code. */
  next: Readonly<Record<string, string>>;
  /** How a session ended, by its reason; `elsewhere`: by the person, but not here; `other`: as only a newer server knows. */
  ended: Readonly<Record<string, string>>;
}

/** Some of the texts. Those of `errors`, `next` and `ended` are taken one by one, too. */
export type StringsOverride = Partial<Strings>;

const ENGLISH: Strings = {
  lang: 'en',

  connecting: 'Connecting',
  connected: 'Connected',
  live: 'Signed in, live',
  lost: 'Connection lost, connecting again',
  notConnected: 'Not connected',

  connectingText: 'Opening the connection.',
  unavailableTitle: 'Sign-in is not available',
  unavailableText: 'The connection to the server was closed.',
  notSupportedTitle: 'Passkeys do not work here',
  notSupportedNext:
    'Open this page in a current browser, on a device with a screen lock, over HTTPS or on localhost.',
  mismatchTitle: 'Do not go on here',
  retry: 'Try again',
  reload: 'Reload the page',

  signInTitle: 'Sign in',
  signInText: 'With the passkey of your account.',
  signInButton: 'Sign in with passkey',
  signUpTitle: 'Create an account',
  signUpText: 'First a code by email, then a passkey.',
  signUpButton: 'Send me a code',
  email: 'Email address',
  noAccount: 'No account yet?',
  createOne: 'Create one',
  haveAccount: 'Already have an account?',
  signInInstead: 'Sign in',

  waiting: 'Waiting for your passkey',
  promptText: 'Your browser asks for the passkey of {email}. Confirm with your fingerprint, your face or your screen lock.',
  making: 'Making your passkey',
  makingText:
    'Once the code is checked, your browser offers to make a passkey for {email}. Confirm with your fingerprint, your face or your screen lock.',
  cancel: 'Cancel',
  cancelled: 'Cancelled. Nobody was signed in.',

  sending: 'Sending the code',
  codeTitle: 'Check your email',
  codeText: 'Six digits are on their way to {email}. They work until {time}.',
  code: 'Code from the email',
  codeHint: 'Your browser will then offer to make a passkey.',
  codeButton: 'Create passkey',
  newCode: 'Send a new code',
  otherAddress: 'Use another address',
  codeSentAgain: 'A new code is on its way. Use the newest one.',
  codeLost: 'The connection was lost, and the code went with it. Ask for a new one.',
  codeExpiredTitle: 'The code no longer works',
  codeExpiredText: 'Have a new one sent to {email}.',

  lostPasskeys: 'Lost your passkeys?',
  recoverTitle: 'Recover your account',
  recoverText:
    'It takes a code from your mail, the recovery code that you have kept, and a wait, in which whoever is signed in to the account is told and can cancel.',
  havePasskey: 'Still have a passkey, on any device?',
  recoveryCode: 'Recovery code',
  recoveryCodeHint: 'Seven groups, as you wrote them down. Capitals and hyphens do not matter.',
  recoverButton: 'Continue',
  checking: 'Checking the codes',
  recoveringText:
    'Once both codes are checked and the wait is over, your browser offers to make a passkey for {email}. Confirm with your fingerprint, your face or your screen lock.',
  recoveryHeldTitle: 'The recovery has begun',
  recoveryHeldText: 'Come back after {time}, within seven days. A mail was sent to {email}, and whoever is signed in is told.',
  recoveryHeldNext: 'Keep the recovery code: it is needed once more.',
  recoveredTitle: 'Your account is recovered',
  recoveredText:
    'You have a new passkey, and everybody was signed out. Sign in with it, remove the passkeys that you have lost, and make a new recovery code.',

  signedInTitle: 'You are signed in',
  account: 'Account',
  since: 'Since',
  endsAtLatest: 'Ends at the latest',
  expiring: 'This session ends at {time}. Sign in again then.',
  held: 'You stay signed in if the connection is back within {duration}.',
  signOut: 'Sign out',
  signingOut: 'Signing out',

  emailMissing: 'Type your email address.',
  emailInvalid: 'That does not look like an email address. It should be like name@example.org.',
  codeInvalid: 'The code has six digits.',
  wrongCode: 'That is not the code in the email. Check it and type it again.',
  recoveryCodeMissing: 'Type your recovery code.',
  wrongRecoveryCode: 'This recovery code does not fit. Compare it with what you wrote down; an older one no longer works.',

  wait: 'You can try again in {duration}.',
  waitOver: 'You can try again now.',
  errors: {
    accountExists: 'This address already has an account.',
    cancelled: 'No passkey was used.',
    challengeExpired: 'That took too long.',
    challengeMismatch: 'The server sent a challenge that was not made for this page. Nothing was signed.',
    codeExpired: 'The code has expired.',
    connectionLost: 'The connection to the server was lost.',
    idle: 'The connection was closed because nothing happened for a while.',
    internal: 'Something went wrong on the server. It has been logged.',
    mailFailed: 'The email could not be sent.',
    notMade: 'No passkey was made.',
    overCapacity: 'The server has as many visitors as it takes.',
    page: 'Something went wrong in this page.',
    passkeyExists: 'This device already has a passkey of this account.',
    passkeyNotAllowed: 'This site takes security keys of certain models only.',
    passkeyRejected: 'This passkey was not accepted.',
    rateLimited: 'Those were too many attempts.',
    recoveryOff: 'This site has no recovery by code.',
    tooManyAttempts: 'Those were too many wrong codes.',
    unknownCeremony: 'That prompt has been used or replaced.',
  },
  next: {
    accountExists: 'Sign in with its passkey.',
    cancelled:
      'The prompt was closed, it timed out, or this device has no passkey for this address. Try again, or use the device on which you made the passkey.',
    challengeExpired: 'Please try again.',
    challengeMismatch: 'Reload the page. If this happens again, tell whoever runs this site.',
    codeExpired: 'Ask for a new one.',
    connectionLost: 'Please try again.',
    idle: 'Try again to connect.',
    internal: 'Please try again.',
    mailFailed: 'Check the address and try again.',
    notMade: 'The prompt was closed or timed out. Your code still works: try again.',
    originNotAllowed: 'Whoever runs this server has to do that.',
    overCapacity: 'Please try again shortly.',
    page: 'Reload it and try again.',
    passkeyExists: 'Sign in with it.',
    passkeyNotAllowed: 'Use one of those, and let the site see its make and model when the browser asks.',
    passkeyRejected: 'Try again, or use another passkey if you have one.',
    rateLimited: 'Please wait a little.',
    recoveryOff: 'Sign in with another passkey of the account.',
    tooManyAttempts: 'Ask for a new one.',
    unexpected: 'Reload the page and start again.',
    unknownApp: 'Whoever runs this server has to create the app first.',
    unknownCeremony: 'Please start again.',
    unknownType: 'The page and the server are of different versions. Reload the page.',
  },
  ended: {
    user: 'You have signed out.',
    elsewhere: 'You have signed out in another page or on another device.',
    pageGone: 'The session ended because its page went away.',
    connectionLost: 'The session ended because the connection was lost for too long.',
    idleTimeout: 'The session ended because nothing happened for a while.',
    absoluteTimeout: 'The session reached its longest duration and ended.',
    revoked: 'The session was ended from elsewhere.',
    replaced: 'A newer session took the place of this one.',
    passkeyRemoved: 'The session ended because its passkey was removed.',
    accountErased: 'The session ended because the account was erased.',
    recovered: 'The account was recovered. Sign in with its new passkey.',
    keyRevoked: 'The session ended because a key of this app was revoked.',
    serverLost: 'The session ended because the server that carried it went away.',
    other: 'The session has ended.',
  },
};

const languages = new Map<string, Strings>([['en', ENGLISH]]);

/**
 * Adds texts in the language `lang`, or replaces those of it. Elements whose `lang` (or that of what is around them) is
 * that language show them from the next time they are put into a page. What is missing stays English.
 */
export function addStrings(lang: string, strings: StringsOverride): void {
  const key = lang.toLowerCase();
  languages.set(key, merge(languages.get(key) ?? ENGLISH, { ...strings, lang: strings.lang ?? lang }));
}

/** The texts for a language such as `de-AT`, or else for `de`, or else English; `override` goes before them. */
export function chooseStrings(lang: string, override: StringsOverride | undefined): Strings {
  const parts = lang.toLowerCase().split('-');
  let found: Strings | undefined;
  while (!found && parts.length > 0) {
    found = languages.get(parts.join('-'));
    parts.pop();
  }
  return merge(found ?? ENGLISH, override ?? {});
}

function merge(base: Strings, override: StringsOverride): Strings {
  return {
    ...base,
    ...override,
    errors: { ...base.errors, ...override.errors },
    next: { ...base.next, ...override.next },
    ended: { ...base.ended, ...override.ended },
  };
}

/** `template` with its places filled, as nodes: what is filled in is never read as markup. */
export function fill(template: string, values: Readonly<Record<string, Node | string>>): (Node | string)[] {
  return template.split(/\{(\w+)\}/).flatMap((part, index) => {
    const piece = index % 2 === 0 ? part : (values[part] ?? '');
    return piece === '' ? [] : [piece];
  });
}
