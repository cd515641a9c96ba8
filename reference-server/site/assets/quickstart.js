// The Quickstart page: one tab a language, and the frames of a client that the development server runs itself.

import { make, site } from '/assets/site.js';

// Tabs (WAI-ARIA pattern, arrow keys select). Without this script the three panels stand below each other.
const tablist = document.getElementById('tabs');
const tabs = [...tablist.querySelectorAll('[role="tab"]')];

function select(chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute('aria-selected', String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    document.getElementById(tab.getAttribute('aria-controls')).hidden = !isChosen;
  }
}

for (const tab of tabs) {
  const panel = document.getElementById(tab.getAttribute('aria-controls'));
  panel.setAttribute('role', 'tabpanel');
  panel.setAttribute('aria-labelledby', tab.id);
  panel.removeAttribute('aria-label');
  tab.addEventListener('click', () => select(tab));
}

tablist.addEventListener('keydown', (event) => {
  const forward = getComputedStyle(tablist).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight';
  const backward = forward === 'ArrowRight' ? 'ArrowLeft' : 'ArrowRight';
  const at = tabs.indexOf(document.activeElement);
  const next = { [forward]: at + 1, [backward]: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  const tab = tabs[next % tabs.length];
  select(tab);
  tab.focus();
});

tablist.hidden = false;
select(tabs[0]);

// The live panel.
const MAX_FRAMES = 100;
const frames = document.getElementById('frames');
const state = document.getElementById('live-state');

function say(text, isLive) {
  state.textContent = text;
  state.classList.toggle('is-live', isLive);
  state.classList.toggle('is-down', !isLive);
}

function add(way, text) {
  frames.querySelector('.nothing')?.remove();
  const now = new Date();
  const wasAtEnd = frames.scrollHeight - frames.scrollTop - frames.clientHeight < 40;
  frames.append(make('div', { class: 'frame fresh' },
    make('div', { class: 'when' },
      make('span', { class: way === 'Received' ? 'way in' : 'way' }, way),
      make('time', { datetime: now.toISOString() }, now.toLocaleTimeString())),
    make('div', { class: 'text' }, text)));
  while (frames.children.length > MAX_FRAMES) frames.firstElementChild.remove();
  if (wasAtEnd) frames.scrollTop = frames.scrollHeight;
}

function watch() {
  const source = new EventSource('/dev/quickstart');
  // `open` is also what an EventSource calls its own beginning; the server's event has data.
  source.addEventListener('open', (event) => {
    if (!event.data) return;
    say('Connected', true);
    add('Opened', JSON.parse(event.data).url);
  });
  source.addEventListener('sent', (event) => add('Sent', event.data));
  source.addEventListener('frame', (event) => add('Received', event.data));
  source.addEventListener('closed', (event) => {
    const { code, reason } = JSON.parse(event.data);
    say('Closed', false);
    add('Closed', reason ? `${code} ${reason}` : String(code));
  });
  source.addEventListener('error', () => {
    say(source.readyState === EventSource.CLOSED ? 'The server offers no live client' : 'Server lost, trying again', false);
  });
  // A page in the back-forward cache must not hold a connection.
  addEventListener('pagehide', () => source.close());
  addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
}

if ((await site)?.mode === 'dev') watch();
