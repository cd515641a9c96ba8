// The open sessions of the account: where, since when, and signing out there.

import { announce, make } from '/assets/site.js';
import { makeTime } from '/assets/session.js';
import { describeBrowser } from '/assets/account-words.js';
import { fact, isBusy, makePlaceholder, setBusy, setIdle } from '/assets/account-passkeys.js';

const byID = (id) => document.getElementById(id);

export class Sessions {
  list = [];
  #page;

  constructor(page) {
    this.#page = page;
    const button = byID('end-others');
    button.addEventListener('click', async () => {
      if (isBusy(button) || !page.isConnected) return;
      setBusy(button, 'Signing out');
      let ended = 0;
      const isDone = await this.#run(async (session) => { ended = await session.sessions.endOthers(); });
      setIdle(button, 'Sign out everywhere else');
      if (!isDone) return;
      this.#keep(({ isCurrent }) => isCurrent);
      page.signedOutElsewhere(undefined);
      announce(`Signed out in ${ended} other ${ended === 1 ? 'place' : 'places'}.`);
    });
  }

  /** Fetches the list. What was shown stays until it is there. */
  load() {
    return this.#run(async (session) => {
      byID('sessions').setAttribute('aria-busy', 'true');
      try {
        this.list = await session.sessions.list();
      } finally {
        byID('sessions').setAttribute('aria-busy', 'false');
        this.#draw();
      }
    }, { canReload: true });
  }

  empty() {
    this.list = [];
    byID('sessions').replaceChildren(makePlaceholder());
    byID('end-others').hidden = true;
    byID('sessions-alone').hidden = true;
  }

  #run(task, options) {
    return this.#page.run(byID('sessions-message'), task, options);
  }

  #keep(isKept) {
    this.list = this.list.filter(isKept);
    this.#draw();
    byID('sessions-title').focus();
  }

  #draw() {
    const others = this.list.filter(({ isCurrent }) => !isCurrent);
    byID('sessions').replaceChildren(...this.list.map((session) => this.#makeRow(session)));
    byID('end-others').hidden = others.length === 0;
    byID('sessions-alone').hidden = this.list.length !== 1;
  }

  #makeRow(session) {
    const { sessionID, isCurrent, startedAt, expiresAt, origin } = session;
    const title = make('h3', { id: `browser-${sessionID}` }, make('bdi', {}, describeBrowser(session)));
    const button = make('button', { type: 'button', class: 'link-button' }, 'Sign out',
      make('span', { class: 'visually-hidden' }, ` ${describeBrowser(session)}`));
    button.addEventListener('click', async () => {
      if (isBusy(button) || !this.#page.isConnected) return;
      button.setAttribute('aria-disabled', 'true');
      const isDone = await this.#run((own) => own.sessions.end(sessionID));
      button.removeAttribute('aria-disabled');
      if (!isDone) return;
      this.#keep((other) => other.sessionID !== sessionID);
      this.#page.signedOutElsewhere(sessionID);
      announce(`Signed out: ${describeBrowser(session)}.`);
    });
    return make('li', { class: 'item', id: sessionID, 'aria-labelledby': title.id },
      make('div', { class: 'item-head' }, title, isCurrent ? make('span', { class: 'badge' }, 'This one') : null),
      make('dl', { class: 'facts-line' },
        fact('Since', makeTime(startedAt)),
        fact('Ends at the latest', makeTime(expiresAt)),
        fact('At', make('span', {}, origin))),
      isCurrent ? null : make('p', { class: 'item-actions' }, button));
  }
}
