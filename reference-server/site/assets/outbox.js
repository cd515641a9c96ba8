// Shows the mails of a development server, newest first; looks for new ones every two seconds while the page is visible.

import { announce, make, makeCopyButton } from '/assets/site.js';

const POLL_MS = 2000;
const list = document.getElementById('mails');
const state = document.getElementById('outbox-state');
const shown = new Map();
let isFirst = true;
let timer;

function makeMail({ to, subject, text, code, time }) {
  const when = new Date(time);
  return make('article', { class: 'card mail' },
    make('header', {},
      make('span', {}, `To ${to}`),
      make('time', { datetime: time }, when.toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' }))),
    make('h2', {}, subject),
    code ? make('p', { class: 'secret' }, make('code', {}, code), makeCopyButton(() => code, `the code for ${to}`)) : null,
    make('pre', {}, text));
}

function show(mails) {
  // A server that has started again counts from 1 again, so a mail is known by its number and its time.
  const byKey = new Map(mails.map((mail) => [`${mail.id} ${mail.time}`, mail]));
  for (const [key, article] of shown) {
    if (!byKey.has(key)) {
      article.remove();
      shown.delete(key);
    }
  }
  const fresh = [...byKey].filter(([key]) => !shown.has(key)).sort(([, a], [, b]) => a.id - b.id);
  for (const [key, mail] of fresh) {
    const article = makeMail(mail);
    if (!isFirst) article.classList.add('fresh');
    shown.set(key, article);
    list.prepend(article);
  }
  if (!isFirst && fresh.length > 0) announce(`New mail to ${fresh.at(-1)[1].to}`);
  isFirst = false;
  say(shown.size === 0 ? 'No mail yet. It appears here as soon as someone asks for a code.' : '');
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

async function look() {
  clearTimeout(timer);
  try {
    const response = await fetch('/dev/outbox', { cache: 'no-store' });
    if (response.status === 404) {
      say('This server is not in development mode, so it has no outbox.');
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    show((await response.json()).mails);
  } catch {
    say('The server does not answer. Trying again.');
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, POLL_MS);
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (!document.hidden) look();
});
look();
