// The account page: who is signed in sees passkeys and sessions, everyone else the form to sign in.

import { make } from '/assets/site.js';
import { makeTime, openLogin } from '/assets/session.js';
import { describeFailure } from '/assets/account-words.js';
import { News } from '/assets/account-news.js';
import { Passkeys } from '/assets/account-passkeys.js';
import { Recovery } from '/assets/account-recovery.js';
import { Sessions } from '/assets/account-sessions.js';

const byID = (id) => document.getElementById(id);

let session = null;
let isConnected = false;
/** The end of the line: the client makes one call at a time, and a new one would cancel the one before. */
let line = Promise.resolve();

/** What the lists need of the page. */
const page = {
  get session() {
    return session;
  },
  get isConnected() {
    return isConnected;
  },
  /** Does `task` when everything before it is done. Resolves to whether it succeeded; otherwise `message` says why not. */
  run(message, task, { canReload = false } = {}) {
    const mine = session;
    const done = line.then(async () => {
      // What was asked for in a session that has ended is not done in the next one.
      if (mine !== session || !session) return false;
      clear(message);
      try {
        await task(session);
        return true;
      } catch (error) {
        // Who has been signed out is told so by the form.
        if (mine === session) say(message, describeFailure(error), canReload);
        return false;
      }
    });
    line = done;
    return done;
  },
  reload: () => load(),
  /** The person has signed out elsewhere: there, or with `undefined` everywhere. */
  signedOutElsewhere: (sessionID) => news.forget(sessionID),
};

const passkeys = new Passkeys(page);
const sessions = new Sessions(page);
const recovery = new Recovery(page);
const news = new News(page);

function show(state) {
  const before = session;
  const wasConnected = isConnected;
  session = state.session ?? null;
  isConnected = state.status === 'signedIn';
  byID('gate').hidden = session !== null;
  byID('account').hidden = session === null;
  if (!session) {
    if (before) {
      empty();
      // What was focused is hidden now.
      document.querySelector('passkey-login').focus();
    }
    return;
  }
  byID('account-id').textContent = session.accountID;
  sayState(isConnected);
  const expiring = state.expiringAt
    ? ['This session ends at ', makeTime(state.expiringAt, { timeStyle: 'short' }), '. Sign in again then.']
    : [];
  byID('expiring').replaceChildren(...expiring);
  if (session.sessionID === before?.sessionID) recovery.show(state.recoveryUntil);
  if (session.sessionID !== before?.sessionID) {
    empty();
    recovery.show(state.recoveryUntil);
    byID('account-title').focus();
  }
  if (isConnected && (!wasConnected || session.sessionID !== before?.sessionID)) load();
}

function sayState(isLive) {
  const state = byID('state');
  const text = isLive ? 'Signed in, live' : 'Connection lost, connecting again. What you see may be out of date.';
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle('is-live', isLive);
  state.classList.toggle('is-down', !isLive);
}

function load() {
  passkeys.load();
  sessions.load().then(() => passkeys.count(sessions.list));
}

/** Not while the person is changing something: what is open would be gone. */
function reload() {
  if (isConnected && !document.querySelector('.item form, .confirm')) load();
}

function empty() {
  // What waits for an answer in a session that is over must not hold up the next one.
  line = Promise.resolve();
  passkeys.empty();
  sessions.empty();
  recovery.empty();
  news.empty();
}

function clear(message) {
  message.replaceChildren();
}

function say(message, [text, next], canReload) {
  const again = make('button', { type: 'button', class: 'button quiet', onclick: load }, 'Try again');
  message.replaceChildren(make('p', { role: 'alert' }, text), next ? make('p', {}, next) : '', canReload ? again : '');
}

byID('sign-out').addEventListener('click', () => document.querySelector('passkey-login').signOut());

document.querySelector('passkey-login').addEventListener('passkey-news', ({ detail }) => {
  news.show(detail.news);
  reload();
});

document.addEventListener('visibilitychange', () => {
  // Another device may have changed the account meanwhile.
  if (!document.hidden) reload();
});

openLogin(show);
