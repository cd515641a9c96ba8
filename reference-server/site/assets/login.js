// The Login page: which view is shown, what the buttons do, and what to do next when something fails.

import { make, site } from '/assets/site.js';
import { describeEnd, describeError, describeModuleFailure } from '/assets/login-words.js';

const byID = (id) => document.getElementById(id);
const VIEWS = ['wait', 'unavailable', 'sign-in', 'sign-up', 'code', 'signed-in'];
const message = byID('message');

let config = null;
let client = null;
let pending = null;
let email = '';
let view = 'wait';
let hasLostCode = false;

// Views

function show(name, { focus = true } = {}) {
  view = name;
  for (const each of VIEWS) byID(`view-${each}`).hidden = each !== name;
  for (const each of ['sign-in', 'sign-up', 'code']) byID(`below-${each}`).hidden = each !== name;
  byID('outbox-tip').hidden = !(name === 'code' && config?.outbox);
  byID('watch-tip').hidden = !(name === 'signed-in' && config?.mode === 'dev');
  const title = byID(`title-${name}`);
  document.title = `${title.textContent} · Passkey Accounts`;
  for (const input of document.querySelectorAll('input[type="email"]')) input.value = email;
  byID('code').value = '';
  for (const input of document.querySelectorAll('input')) clearWrong(input);
  if (focus) (byID(`view-${name}`).querySelector('input') ?? title).focus();
}

/** The view that the address asks for while nobody is signed in. */
function showEntry(options) {
  pending = null;
  show(location.hash === '#sign-up' ? 'sign-up' : 'sign-in', options);
}

function showSession({ accountID, sessionID, startedAt, expiresAt }) {
  pending = null;
  byID('session-account').textContent = accountID;
  byID('session-id').textContent = sessionID;
  setTime(byID('session-since'), startedAt);
  setTime(byID('session-expires'), expiresAt);
  clearMessage();
  show('signed-in');
  countStored();
}

function setTime(element, date, style = { dateStyle: 'medium', timeStyle: 'medium' }) {
  element.dateTime = date.toISOString();
  element.textContent = date.toLocaleString([], style);
}

/** Counts what this site has stored in the browser, as far as a script can see it. */
async function countStored() {
  const counts = {
    'Cookies a script can read': document.cookie === '' ? 0 : document.cookie.split(';').length,
    'localStorage entries': localStorage.length,
    'sessionStorage entries': sessionStorage.length,
    'IndexedDB databases': (await indexedDB.databases?.())?.length,
    'Cache Storage caches': (await globalThis.caches?.keys())?.length,
    'Service workers': (await navigator.serviceWorker?.getRegistrations())?.length,
  };
  byID('stored').replaceChildren(...Object.entries(counts).map(([name, count]) =>
    make('div', {}, make('dt', {}, name), make('dd', {}, count === undefined ? 'cannot be counted here' : String(count)))));
}

// Messages

function clearMessage() {
  message.replaceChildren();
  message.classList.remove('calm');
}

function say({ text, next, calm = false, button }) {
  message.classList.toggle('calm', calm);
  message.replaceChildren(
    make('p', {}, text),
    next ? make('p', {}, next) : '',
    button ? make('button', { type: 'button', class: 'button quiet', onclick: button.press }, button.label) : '');
}

function sayError(error, input) {
  const { text, next, action } = describeError(error);
  const buttons = {
    newCode: { label: 'Send a new code', press: resend },
    signIn: { label: 'Sign in instead', press: () => { clearMessage(); location.hash = '#sign-in'; showEntry(); } },
    reconnect: { label: 'Connect again', press: open },
    reload: { label: 'Reload the page', press: () => location.reload() },
  };
  if (action === 'field' && input) {
    sayWrong(input, text);
    clearMessage();
    return;
  }
  // A client that is still there connects again by itself.
  const button = action === 'reconnect' && client ? undefined : buttons[action];
  say({ text, next, button });
}

function sayWrong(input, text) {
  const wrong = byID(`${input.id}-wrong`);
  wrong.textContent = text;
  wrong.hidden = false;
  input.setAttribute('aria-invalid', 'true');
  const hint = input.id === 'code' ? 'code-hint ' : '';
  input.setAttribute('aria-describedby', `${hint}${wrong.id}`);
  input.focus();
  input.select();
}

function clearWrong(input) {
  byID(`${input.id}-wrong`).hidden = true;
  input.removeAttribute('aria-invalid');
  if (input.id === 'code') input.setAttribute('aria-describedby', 'code-hint');
  else input.removeAttribute('aria-describedby');
}

function sayState(text, isLive) {
  const state = byID('state');
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle('is-live', isLive === true);
  state.classList.toggle('is-down', isLive === false);
}

function showUnavailable(words) {
  sayState('Not connected', false);
  show('unavailable', { focus: false });
  say(words);
}

// Work: one thing at a time. A busy button keeps the focus, so it is marked as disabled rather than disabled.

let isBusy = false;

async function work(button, words, task) {
  if (isBusy) return;
  isBusy = true;
  clearMessage();
  const label = button.textContent;
  const inputs = [...(button.form?.elements ?? [])].filter((element) => element.localName === 'input');
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('busy');
  button.textContent = words;
  for (const input of inputs) input.readOnly = true;
  try {
    await task();
  } catch (error) {
    for (const input of inputs) input.readOnly = false;
    sayError(error, inputs[0]);
  } finally {
    isBusy = false;
    button.removeAttribute('aria-disabled');
    button.classList.remove('busy');
    button.textContent = label;
    for (const input of inputs) input.readOnly = false;
  }
}

function readEmail(input) {
  clearWrong(input);
  email = input.value.trim();
  input.value = email;
  if (email === '') sayWrong(input, 'Type your email address.');
  else if (!input.validity.valid) sayWrong(input, 'That does not look like an email address. It should be like name@example.org.');
  else return true;
  return false;
}

function onSubmit(formID, task) {
  const form = byID(formID);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!isBusy) task(form.querySelector('input'), form.querySelector('button[type="submit"]'));
  });
}

onSubmit('form-sign-in', (input, button) => {
  if (!readEmail(input)) return;
  work(button, 'Waiting for your passkey', async () => {
    showSession(await client.signIn({ email }));
  });
});

onSubmit('form-sign-up', (input, button) => {
  if (!readEmail(input)) return;
  work(button, 'Sending the code', askForCode);
});

onSubmit('form-code', (input, button) => {
  clearWrong(input);
  const code = input.value.replace(/\D/g, '');
  if (code.length !== 6) {
    sayWrong(input, 'The code has six digits.');
    return;
  }
  work(button, 'Waiting for your passkey', async () => {
    showSession(await pending.verify(code));
  });
});

async function askForCode() {
  pending = await client.signUp({ email });
  byID('code-address').textContent = email;
  setTime(byID('code-expires'), pending.expiresAt, { timeStyle: 'short' });
  show('code');
}

function resend() {
  work(byID('resend'), 'Sending the code', async () => {
    await askForCode();
    say({ text: 'A new code is on its way. Use the newest one.', calm: true });
  });
}

byID('resend').addEventListener('click', resend);
byID('other-address').addEventListener('click', () => {
  clearMessage();
  if (location.hash === '#sign-up') showEntry();
});
byID('sign-out').addEventListener('click', (event) => work(event.currentTarget, 'Signing out', () => client.signOut()));

addEventListener('hashchange', () => {
  // The skip link changes the address too.
  if (!['', '#sign-in', '#sign-up'].includes(location.hash)) return;
  if (!client || isBusy || !['sign-in', 'sign-up', 'code'].includes(view)) return;
  email = byID(`email-${view === 'sign-up' ? 'sign-up' : 'sign-in'}`).value.trim();
  clearMessage();
  showEntry();
});

// Connection

function follow({ status, session, reason }) {
  const name = config?.appName;
  switch (status) {
    case 'connecting':
      sayState('Connecting');
      break;
    case 'reconnecting':
      sayState('Connection lost, connecting again', false);
      // The code belongs to the connection that asked for it.
      if (view === 'code') hasLostCode = true;
      if (view === 'signed-in') leave(reason);
      break;
    case 'signedIn':
      sayState(name ? `Signed in to ${name}, live` : 'Signed in, live', true);
      if (!isBusy && view !== 'signed-in') showSession(session);
      break;
    case 'signedOut':
      sayState(name ? `Connected to ${name}` : 'Connected', true);
      if (view === 'signed-in') {
        leave(reason);
      } else if (hasLostCode) {
        hasLostCode = false;
        showEntry();
        say({ text: 'The connection was lost, and the code went with it.', next: 'Ask for a new one.', calm: true });
      }
      break;
    case 'closed':
      client = null;
      showUnavailable({
        ...(reason ? describeError(reason) : { text: 'The connection to the server was closed.' }),
        button: { label: 'Connect again', press: open },
      });
      break;
  }
}

/** From the view of a session back to the entry. */
function leave(reason) {
  history.replaceState(null, '', location.pathname);
  showEntry();
  say({ text: describeEnd(reason), calm: true });
}

async function open() {
  clearMessage();
  sayState('Connecting');
  byID('wait-words').hidden = false;
  show('wait', { focus: false });
  config = await site;
  if (!config) {
    showUnavailable({ text: 'The server does not answer.', button: { label: 'Reload the page', press: () => location.reload() } });
    return;
  }
  if (!config.appID) {
    showUnavailable({ text: 'This server has no app for its own pages.', next: 'Whoever runs it can name one in its configuration.' });
    return;
  }
  let sdk;
  try {
    sdk = await import('/sdk/index.js');
  } catch {
    showUnavailable({ ...(await describeModuleFailure()), button: { label: 'Reload the page', press: () => location.reload() } });
    return;
  }
  try {
    client = await sdk.connect({ app: config.appID, url: config.gatewayURL });
  } catch (error) {
    sayState('Not connected', false);
    show('unavailable', { focus: false });
    sayError(error);
    if (!message.querySelector('button')) {
      message.append(make('button', { type: 'button', class: 'button quiet', onclick: open }, 'Connect again'));
    }
    return;
  }
  const own = client;
  own.subscribe((state) => { if (client === own) follow(state); });
  follow(own.state);
  if (view === 'wait') showEntry({ focus: location.hash !== '' });
}

open();
