// The page for who has lost every passkey: a mailed code and the recovery code begin a recovery, and end it after its wait.

import { announce, make, site } from '/assets/site.js';
import { makeTime } from '/assets/session.js';

const byID = (id) => document.getElementById(id);

/** Where each refusal is said, and in what words; everything else is said below. */
const REFUSALS = {
  invalidEmail: ['email', 'This is no email address. Write it like ada@example.org.'],
  wrongCode: ['mailed', 'This is not the code from the mail. Look for the newest one.'],
  codeExpired: ['mailed', 'The code has expired, or this page was reloaded. Start again to get another one.'],
  wrongRecoveryCode: ['recovery', 'This recovery code does not fit. Compare it with what you wrote down; an older one no longer works.'],
};

let client;
let pending;

byID('address-form').addEventListener('submit', (event) => submit(event, 'Sending', async () => {
  client ??= await open();
  pending = await client.recover({ email: byID('email').value.trim() });
  show('codes', 'mailed');
  announce('A code is on its way, if this address has an account.');
}));

byID('codes-form').addEventListener('submit', (event) => submit(event, 'Checking', async () => {
  const recovered = await pending.verify(byID('mailed').value.trim(), byID('recovery').value.trim());
  if (recovered.status === 'held') {
    byID('outcome').replaceChildren(
      make('p', { class: 'intro' }, 'The recovery has begun. Come back to this page with your recovery code after ', makeTime(recovered.until),
        ', within seven days. A mail was sent to the address of the account, and whoever is signed in is told.'),
      make('p', { class: 'note' }, 'Keep the recovery code: it is needed once more.'));
  } else {
    byID('outcome').replaceChildren(
      make('p', { class: 'intro' }, 'You have a new passkey, and everybody was signed out. ', make('a', { href: '/login' }, 'Sign in'),
        ' with it, remove the passkeys that you have lost, and make a new recovery code.'));
  }
  byID('title').textContent = recovered.status === 'held' ? 'The recovery has begun' : 'Your account is recovered';
  show('outcome', 'title');
}));

/** Runs what a form is for, once at a time, and says what went wrong where it belongs. */
async function submit(event, busyText, what) {
  event.preventDefault();
  const button = event.submitter ?? event.target.querySelector('button');
  if (button.getAttribute('aria-disabled') === 'true') return;
  const text = button.textContent;
  button.setAttribute('aria-disabled', 'true');
  button.textContent = busyText;
  clear();
  try {
    await what();
  } catch (error) {
    explain(error);
  } finally {
    button.removeAttribute('aria-disabled');
    button.textContent = text;
  }
}

function clear() {
  byID('failure').replaceChildren();
  for (const input of document.querySelectorAll('.field input')) {
    input.removeAttribute('aria-invalid');
    byID(`${input.id}-wrong`).textContent = '';
  }
}

function explain({ code, message }) {
  const [field, sentence] = REFUSALS[code] ?? [];
  if (!field) {
    byID('failure').replaceChildren(make('p', {}, message));
    return;
  }
  byID(`${field}-wrong`).textContent = sentence;
  byID(field).setAttribute('aria-invalid', 'true');
  byID(field).focus();
}

function show(id, focused) {
  for (const part of ['ask', 'codes', 'outcome']) byID(part).hidden = part !== id;
  byID(focused).focus();
}

async function open() {
  const config = await site;
  if (!config?.appID) throw { code: 'internal', message: 'The server does not answer, or has no app for its own pages.' };
  const { connect } = await import('/sdk/index.js');
  return connect({ url: config.gatewayURL, app: config.appID, persistence: 'page' });
}
