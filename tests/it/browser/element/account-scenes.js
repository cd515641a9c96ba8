// Every state of the account page, over the same fake client that the element is given.

import { FakeClient, settled } from '/fake.js';

const DAY = 86_400_000;
const ago = (days) => new Date(Date.now() - days * DAY);

const FIRST = {
  passkeyID: 'pk_2c9r5t1v7n3k8q0m4d6f1h5b9o',
  provider: 'iCloud Keychain',
  aaguid: 'fbfc3007-154e-4ecc-8c0b-6e020557d7bd',
  createdAt: ago(400),
  lastUsedAt: ago(0),
  backupEligible: true,
  backedUp: true,
  isCurrent: true,
};
const SECOND = {
  passkeyID: 'pk_7m3kq9v1c5t0r8n2d6p4b1f9hs',
  name: 'The blue key in the drawer, with a name that somebody made very long',
  aaguid: '00000000-0000-0000-0000-000000000000',
  createdAt: ago(30),
  backupEligible: false,
  backedUp: false,
  isCurrent: false,
};
const THIRD = { ...SECOND, passkeyID: 'pk_068vf4o1m5k2n0c7q3t9r6s8ug', name: 'Work laptop', provider: 'Windows Hello', backupEligible: true };

const HERE = {
  sessionID: 'ses_068vf4o1m5k2n0c7q3t9r6s8ug',
  passkeyID: FIRST.passkeyID,
  startedAt: ago(0.1),
  expiresAt: ago(-0.4),
  origin: 'https://shop.example',
  browser: 'Chrome on macOS',
  isCurrent: true,
};
const THERE = { ...HERE, sessionID: 'ses_068vf4o1m5k2n0c7q3t9r6s8uh', browser: 'Firefox on Linux', isCurrent: false };
const NAMELESS = { ...THERE, sessionID: 'ses_068vf4o1m5k2n0c7q3t9r6s8ui', browser: '', passkeyID: THIRD.passkeyID };

const byID = (id) => document.getElementById(id);
const press = async (label) => {
  const buttons = [...document.querySelectorAll('button')].filter((button) => button.checkVisibility());
  const button = buttons.find((each) => each.textContent === label);
  if (!button) throw new Error(`no button "${label}", but: ${buttons.map((each) => each.textContent).join(', ')}`);
  button.focus();
  button.click();
  await settled();
};

let fake;

const enter = async () => {
  fake = globalThis.fake = new FakeClient();
  const login = document.querySelector('passkey-login');
  login.client = fake;
  fake.show({ status: 'signedOut' });
  fake.show({ status: 'signedIn', session: fake.session() });
  await settled();
};
const have = (passkeys, sessions) => async () => {
  await enter();
  await fake.answer(passkeys);
  await fake.answer(sessions);
};
const haveAll = have([FIRST, SECOND, THIRD], [HERE, THERE, NAMELESS]);
const name = SECOND.name;

export const scenes = {
  'signed out': () => {
    fake = globalThis.fake = new FakeClient();
    document.querySelector('passkey-login').client = fake;
    fake.show({ status: 'signedOut' });
  },
  loading: enter,
  'one passkey, one session': have([FIRST], [HERE]),
  'all of it': haveAll,
  'lists refused': async () => {
    await enter();
    await fake.refuse('internal');
    await fake.refuse('rateLimited', 'too many', 30_000);
  },
  offline: async () => {
    await haveAll();
    fake.show({ status: 'reconnecting', session: fake.state.session });
  },
  'expiring soon': async () => {
    await haveAll();
    fake.show({ status: 'signedIn', session: fake.state.session, expiringAt: new Date(Date.now() + 60_000) });
  },
  renaming: async () => {
    await haveAll();
    await press(`Rename ${name}`);
  },
  'name missing': async () => {
    await scenes.renaming();
    byID('new-name').value = ' ';
    await press('Save');
  },
  'name refused': async () => {
    await scenes.renaming();
    byID('new-name').value = 'x\u0007';
    await press('Save');
    await fake.refuse('invalidName');
  },
  renamed: async () => {
    await scenes.renaming();
    byID('new-name').value = 'Desk';
    await press('Save');
    await fake.answer({ ...SECOND, name: 'Desk' });
  },
  removing: async () => {
    await haveAll();
    await press(`Remove ${name}`);
  },
  'removing the current one': async () => {
    await haveAll();
    await press('Remove iCloud Keychain');
  },
  'removal at the prompt': async () => {
    await scenes.removing();
    await press('Remove it');
  },
  'removal cancelled': async () => {
    await scenes['removal at the prompt']();
    await fake.refuse('cancelled');
  },
  removed: async () => {
    await scenes['removal at the prompt']();
    await fake.answer();
    await fake.answer([FIRST, THIRD]);
    await fake.answer([HERE, NAMELESS]);
  },
  'adding explained': async () => {
    await have([FIRST], [HERE])();
    await press('Add a passkey');
  },
  'adding at the prompts': async () => {
    await scenes['adding explained']();
    await press('Make it');
  },
  'adding cancelled by the browser': async () => {
    await scenes['adding at the prompts']();
    await fake.refuse('cancelled');
  },
  'adding here is impossible': async () => {
    await scenes['adding at the prompts']();
    await fake.refuse('passkeyExists');
  },
  added: async () => {
    await scenes['adding at the prompts']();
    await fake.answer(SECOND);
  },
  'signed out elsewhere': async () => {
    await haveAll();
    await press('Sign out Firefox on Linux');
    await fake.answer();
  },
  'signed out everywhere else': async () => {
    await haveAll();
    await press('Sign out everywhere else');
    await fake.answer(2);
  },
  'a session is opened elsewhere': async () => {
    await haveAll();
    fake.tell({ type: 'sessionOpened', session: NAMELESS });
    fake.tell({ type: 'sessionOpened', session: THERE });
    await settled();
  },
  'that session is ended': async () => {
    await scenes['a session is opened elsewhere']();
    for (const each of [[FIRST], [HERE, THERE], [FIRST], [HERE, THERE]]) await fake.answer(each);
    await press('Sign out there');
    await fake.refuse('notFound');
  },
  'a passkey is added elsewhere': async () => {
    await have([FIRST], [HERE])();
    fake.tell({ type: 'passkeyAdded', passkey: SECOND });
    await settled();
  },
  'passkey removed elsewhere': async () => {
    await haveAll();
    fake.show({ status: 'signedOut', reason: 'passkeyRemoved' });
  },
};

/** Brings one scene about, and says what is shown then. */
export async function play(scene) {
  await scenes[scene]();
  await settled();
  return { screen: '', text: document.querySelector('main').innerText };
}

Object.assign(globalThis, { play, press, settled, names: Object.keys(scenes) });
