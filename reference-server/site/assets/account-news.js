// What happens to the account elsewhere while the page is open: another session, another passkey.

import { announce, make } from '/assets/site.js';
import { makeTime } from '/assets/session.js';
import { describeBrowser, nameOf } from '/assets/account-words.js';
import { isBusy, setBusy, setIdle } from '/assets/account-passkeys.js';

const byID = (id) => document.getElementById(id);

/** More than anybody reads; the oldest go. */
const MAX_NOTICES = 5;

export class News {
  #page;

  constructor(page) {
    this.#page = page;
  }

  /** Shows it above the rest, until the person has said what it was. */
  show(news) {
    const notice = make('div', { class: 'message calm', 'data-session': news.session?.sessionID });
    const known = make('button', { type: 'button', class: 'button quiet', onclick: () => this.#close(notice) }, 'That was me');
    notice.append(...(news.type === 'sessionOpened' ? this.#describeSession(news.session, known) : this.#describePasskey(news.passkey, known)));
    byID('news').prepend(notice);
    for (const old of [...byID('news').children].slice(MAX_NOTICES)) old.remove();
  }

  /** Of a session that is over, or with `undefined` of all of them, nothing is to be said any more. */
  forget(sessionID) {
    for (const notice of byID('news').querySelectorAll('[data-session]')) {
      if (sessionID === undefined || notice.dataset.session === sessionID) notice.remove();
    }
  }

  empty() {
    byID('news').replaceChildren();
    byID('news-message').replaceChildren();
  }

  #describeSession(session, known) {
    const end = make('button', { type: 'button', class: 'button' }, 'Sign out there');
    end.addEventListener('click', async () => {
      if (isBusy(end) || !this.#page.isConnected) return;
      setBusy(end, 'Signing out');
      const isDone = await this.#page.run(byID('news-message'), (own) => own.sessions.end(session.sessionID).catch((error) => {
        // It has ended already, which is what was wanted.
        if (error.code !== 'notFound') throw error;
      }));
      setIdle(end, 'Sign out there');
      if (!isDone) return;
      announce(`Signed out: ${describeBrowser(session)}.`);
      this.#close(end.closest('.message'));
      this.#page.reload();
    });
    return [
      make('p', {}, make('strong', {}, 'Somebody has signed in to this account.')),
      make('p', {}, make('bdi', {}, describeBrowser(session)), ', at ', session.origin, ', ', makeTime(session.startedAt),
        '. If it was not you, sign it out now, and look through your passkeys.'),
      make('div', { class: 'actions-row' }, end, known),
    ];
  }

  #describePasskey(passkey, known) {
    return [
      make('p', {}, make('strong', {}, 'This account has another passkey.')),
      make('p', {}, make('bdi', {}, nameOf(passkey)), ', made ', makeTime(passkey.createdAt),
        '. One of your passkeys has vouched for it. If it was not you, remove it below.'),
      make('div', { class: 'actions-row' }, known),
    ];
  }

  #close(notice) {
    notice.remove();
    byID('account-title').focus();
  }
}
