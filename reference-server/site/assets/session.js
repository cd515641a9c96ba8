// What the Login page and the account page share: the element with this server's app, and the navigation of who is signed in.

import { make, site } from '/assets/site.js';

/**
 * Puts the server's app into the page's `<passkey-login>` and defines the element. `show(state)` is called with each
 * state of an open session, and with `{}` when it is over.
 */
export async function openLogin(show) {
  const login = document.querySelector('passkey-login');
  const follow = () => show(login.client.state);
  let stop = () => {};
  login.addEventListener('passkey-signed-in', () => {
    stop();
    stop = login.client.subscribe(follow);
    follow();
    markSignedIn(true);
  });
  login.addEventListener('passkey-signed-out', () => {
    stop();
    show({});
    markSignedIn(false);
  });
  const config = await site;
  if (!config) return fail('The server does not answer.', true);
  if (!config.appID) return fail('This server has no app for its own pages. Whoever runs it can name one in its configuration.');
  login.setAttribute('url', config.gatewayURL);
  login.setAttribute('app', config.appID);
  try {
    await import('/sdk/element.js');
  } catch {
    await explainMissingModule();
  }
}

function markSignedIn(isSignedIn) {
  for (const element of document.querySelectorAll('[data-signed-in]')) element.hidden = !isSignedIn;
}

async function explainMissingModule() {
  const response = await fetch('/sdk/element.js', { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  if (response?.status === 404) {
    fail(make('span', {}, 'The browser module has not been built. Run ', make('code', {}, 'cargo xtask build'), '.'));
  } else {
    fail('The browser module could not be loaded.', true);
  }
}

function fail(text, canReload = false) {
  const failure = document.getElementById('failure');
  const button = canReload
    ? make('button', { type: 'button', class: 'button quiet', onclick: () => location.reload() }, 'Reload the page')
    : null;
  failure.replaceChildren(
    make('h1', {}, 'Login is not available'),
    ...[make('div', { class: 'message', role: 'alert' }, make('p', {}, text), button)]);
  failure.hidden = false;
  document.querySelector('passkey-login').hidden = true;
}

/** Writes a time, with the day. */
export function makeTime(date, style = { dateStyle: 'medium', timeStyle: 'short' }) {
  return make('time', { datetime: date.toISOString() }, date.toLocaleString([], style));
}
