// The Login page: the element, and beside an open session what the browser stores of it.

import { make, site } from '/assets/site.js';
import { openLogin } from '/assets/session.js';

const RELOADS = {
  worker: 'Reload this page or open it in a second tab. In Chromium you stay signed in: the session key lives in the memory of a worker, which ends it ten seconds after the last page of this site is gone. In other browsers a reload signs you out.',
  page: 'Reloading this page signs you out, because the session key exists only in its memory.',
};

const byID = (id) => document.getElementById(id);

const TITLES = { 'sign-in': 'Sign in', 'sign-up': 'Create an account', recover: 'Recover your account' };

const login = document.querySelector('passkey-login');
let isSignedIn = false;

/** The tab's title says what the page is for, as its heading does. */
function entitle() {
  document.title = `${isSignedIn ? 'Signed in' : TITLES[login.getAttribute('mode')]} · Passkey Accounts`;
}

function show({ session }) {
  isSignedIn = session !== undefined;
  entitle();
  showRecovery();
  if (!session) return;
  byID('session-account').textContent = session.accountID;
  byID('session-id').textContent = session.sessionID;
  byID('reload-tip').textContent = RELOADS[login.client.persistence] ?? RELOADS.page;
  countStored();
}

/** Where the app lets accounts be recovered, and nobody is signed in. */
async function showRecovery() {
  const config = await site;
  byID('recover-tip').hidden = isSignedIn || !config?.recovery;
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

/** The form that the address asks for. */
function chooseForm() {
  // The skip link changes the address too.
  if (!['', '#sign-in', '#sign-up'].includes(location.hash)) return;
  login.setAttribute('mode', location.hash === '#sign-up' ? 'sign-up' : 'sign-in');
}

new MutationObserver(entitle).observe(login, { attributeFilter: ['mode'] });
addEventListener('hashchange', chooseForm);
chooseForm();
showRecovery();
openLogin(show);
