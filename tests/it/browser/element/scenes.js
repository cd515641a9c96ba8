// Every state of the element, each reached as a person and a server would bring it about.

import '/sdk/element.js';
import { FakeClient, settled } from '/fake.js';

const EMAIL = 'ada@shop.example';
const element = document.querySelector('passkey-login');
const root = () => element.shadowRoot;

let fake;

/** Begins anew: nothing of the scene before is left. */
function reset(mode = 'sign-in') {
  fake = globalThis.fake = new FakeClient();
  element.mode = mode;
  element.client = fake;
}

export const type = (text, selector = 'input') => {
  const input = root().querySelector(selector);
  input.value = text;
  input.dispatchEvent(new InputEvent('input', { bubbles: true }));
};
export const submit = async () => {
  root().querySelector('form button').click();
  await settled();
};
export const press = async (label) => {
  const buttons = [...root().querySelectorAll('button')].filter((button) => button.checkVisibility());
  const button = buttons.find((each) => each.textContent === label);
  if (!button) throw new Error(`no button "${label}", but: ${buttons.map((each) => each.textContent).join(', ')}`);
  button.focus();
  button.click();
  await settled();
};

const open = (mode) => {
  reset(mode);
  fake.show({ status: 'signedOut' });
};
const signIn = async () => {
  open('sign-in');
  type(EMAIL);
  await submit();
};
const askForCode = async () => {
  open('sign-up');
  type(EMAIL);
  await submit();
};
const haveCode = async (expiresInMs) => {
  await askForCode();
  await fake.answer(fake.pending(expiresInMs));
};
const typeCode = async () => {
  await haveCode();
  type('123456');
  await submit();
};
const lose = async () => {
  await signIn();
  await fake.refuse('cancelled');
  await press('Lost your passkeys?');
};
const askForRecovery = async () => {
  await lose();
  await submit();
};
const haveCodes = async (recoveryCode = '0123-4567-89AB-CDEF-GHJK-MNPQ-RR8') => {
  await askForRecovery();
  await fake.answer(fake.recovery());
  type('123456', '#code');
  type(recoveryCode, '#recovery-code');
  await submit();
};
const haveSession = async () => {
  await signIn();
  fake.show({ status: 'signedIn', session: fake.session() });
  await fake.answer(fake.state.session);
};
const end = (reason) => async () => {
  await haveSession();
  fake.show({ status: 'signedOut', reason });
};
const fail = (code, message, retryAfterMs) => async () => {
  await signIn();
  await fake.refuse(code, message, retryAfterMs);
};

/** By name: how each state comes about. */
export const scenes = {
  connecting: () => reset(),
  unavailable: () => {
    reset();
    fake.show({ status: 'closed', reason: new Error('the server at auth.example does not answer') });
  },
  closed: () => {
    open();
    fake.close();
  },
  'sign-in': () => open('sign-in'),
  'sign-up': () => open('sign-up'),
  'address missing': async () => {
    open('sign-in');
    await submit();
  },
  'address wrong': async () => {
    open('sign-up');
    type('ada@');
    await submit();
  },
  prompt: signIn,
  'prompt cancelled here': async () => {
    await signIn();
    await press('Cancel');
  },
  'prompt closed or no passkey': fail('cancelled'),
  'no passkey, and no recovery': async () => {
    reset();
    fake.canRecover = false;
    fake.show({ status: 'signedOut' });
    type(EMAIL);
    await submit();
    await fake.refuse('cancelled');
  },
  'passkey rejected': fail('passkeyRejected'),
  'not supported': fail('notSupported', 'passkeys need HTTPS or localhost'),
  'rate limited': fail('rateLimited', 'too many attempts', 30_000),
  'server error': fail('internal'),
  'unknown error': fail('somethingNew', 'a newer server says this'),
  mismatch: fail('challengeMismatch'),
  'sending the code': askForCode,
  'mail failed': async () => {
    await askForCode();
    await fake.refuse('mailFailed');
  },
  code: () => haveCode(),
  'code too short': async () => {
    await haveCode();
    type('123');
    await submit();
  },
  'making the passkey': typeCode,
  'code wrong': async () => {
    await typeCode();
    await fake.refuse('wrongCode');
  },
  'passkey not made': async () => {
    await typeCode();
    await fake.refuse('cancelled');
  },
  'account exists': async () => {
    await typeCode();
    await fake.refuse('accountExists');
  },
  'passkey exists': async () => {
    await typeCode();
    await fake.refuse('passkeyExists');
  },
  'code sent again': async () => {
    await haveCode();
    await press('Send a new code');
    await fake.answer(fake.pending());
  },
  'code expired': async () => {
    await haveCode(0);
    await settled();
  },
  'too many codes': async () => {
    await typeCode();
    await fake.refuse('tooManyAttempts');
  },
  'code lost': async () => {
    await haveCode();
    fake.show({ status: 'reconnecting' });
    fake.show({ status: 'signedOut' });
  },
  recover: lose,
  'recovery off': async () => {
    await askForRecovery();
    await fake.refuse('recoveryOff');
  },
  'both codes': async () => {
    await askForRecovery();
    await fake.answer(fake.recovery());
  },
  'recovery code missing': () => haveCodes(' '),
  'checking the codes': () => haveCodes(),
  'recovery code wrong': async () => {
    await haveCodes();
    await fake.refuse('wrongRecoveryCode');
  },
  'no passkey after the wait': async () => {
    await haveCodes();
    await fake.refuse('cancelled');
  },
  'recovery held': async () => {
    await haveCodes();
    await fake.answer({ status: 'held', until: new Date(Date.now() + 72 * 3_600_000) });
  },
  recovered: async () => {
    await haveCodes();
    await fake.answer({ status: 'recovered' });
  },
  'recovered, about to sign in': async () => {
    await scenes.recovered();
    await press('Sign in');
  },
  reconnecting: () => {
    open('sign-in');
    fake.show({ status: 'reconnecting' });
  },
  'signed in': haveSession,
  'signed in before': () => {
    reset();
    fake.show({ status: 'signedIn', session: fake.session() });
  },
  'expiring soon': async () => {
    await haveSession();
    fake.show({ status: 'signedIn', session: fake.state.session, expiringAt: new Date(Date.now() + 60_000) });
  },
  'session held': async () => {
    await haveSession();
    fake.show({ status: 'reconnecting', session: fake.state.session });
  },
  'signing out': async () => {
    await haveSession();
    await press('Sign out');
  },
  'ended user': async () => {
    await scenes['signing out']();
    fake.show({ status: 'signedOut', reason: 'user' });
    await fake.answer();
  },
  'ended elsewhere': end('user'),
  ...Object.fromEntries(
    [
      'pageGone', 'connectionLost', 'idleTimeout', 'absoluteTimeout', 'revoked', 'replaced', 'passkeyRemoved',
      'accountErased', 'keyRevoked', 'serverLost', 'other',
    ].map((reason) => [`ended ${reason}`, end(reason)]),
  ),
};

/** Brings one scene about, and says what is shown then. */
export async function play(name) {
  await scenes[name]();
  await settled();
  return { screen: element.screen, text: root().querySelector('.box').innerText };
}

Object.assign(globalThis, { element, play, press, submit, type, settled, names: Object.keys(scenes) });
