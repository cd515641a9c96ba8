// The passkeys of the account: list, add, rename in place, remove.

import { announce, make } from '/assets/site.js';
import { makeTime } from '/assets/session.js';
import { describeBackup, describeRemoval, nameOf } from '/assets/account-words.js';

const byID = (id) => document.getElementById(id);

export class Passkeys {
  #page;
  #list = [];
  #openSessions = new Map();
  /** Which row is being changed, and how: `rename` or `remove`. */
  #open = null;
  #adding = null;

  constructor(page) {
    this.#page = page;
    byID('add').addEventListener('click', () => this.#explainAdding());
  }

  /** Fetches the list. What was shown stays until it is there. */
  load() {
    return this.#page.run(byID('passkeys-message'), async (session) => {
      byID('passkeys').setAttribute('aria-busy', 'true');
      try {
        this.#list = await session.passkeys.list();
      } finally {
        byID('passkeys').setAttribute('aria-busy', 'false');
        this.#draw();
      }
    }, { canReload: true });
  }

  /** Counts the sessions that each passkey opened. */
  count(sessions) {
    this.#openSessions = new Map();
    for (const { passkeyID, isCurrent } of sessions) {
      if (!isCurrent) this.#openSessions.set(passkeyID, (this.#openSessions.get(passkeyID) ?? 0) + 1);
    }
  }

  /** Forgets everything: another session is another person, perhaps. */
  empty() {
    this.#list = [];
    this.#open = null;
    this.#adding?.abort();
    this.#adding = null;
    byID('add-panel').replaceChildren();
    byID('add').hidden = false;
    byID('passkeys').replaceChildren(makePlaceholder());
    byID('nudge').hidden = true;
  }

  #draw() {
    byID('passkeys').replaceChildren(...this.#list.map((passkey) => this.#makeRow(passkey)));
    // One that is backed up outlives its device.
    byID('nudge').hidden = this.#list.length !== 1 || this.#list[0].backedUp;
  }

  #makeRow(passkey) {
    const { passkeyID, isCurrent, provider, name, createdAt, lastUsedAt } = passkey;
    const change = this.#open?.passkeyID === passkeyID ? this.#open.change : null;
    const title = make('h3', { id: `name-${passkeyID}` }, make('bdi', {}, nameOf(passkey)));
    const facts = make('dl', { class: 'facts-line' },
      // Who keeps it is the title already where the person gave no name.
      name && provider ? fact('Kept by', provider) : null,
      fact('Copies', describeBackup(passkey)),
      fact('Made', makeTime(createdAt, { dateStyle: 'medium' })),
      fact('Last used', lastUsedAt ? makeTime(lastUsedAt, { dateStyle: 'medium' }) : 'not yet'));
    const row = make('li', { class: 'item', id: passkeyID, 'aria-labelledby': title.id },
      change === 'rename'
        ? this.#makeRenameForm(passkey)
        : make('div', { class: 'item-head' }, title, isCurrent ? make('span', { class: 'badge' }, 'Opened this session') : null),
      facts,
      change === 'remove' ? this.#makeRemoval(passkey) : null,
      change === null ? this.#makeButtons(passkey) : null);
    return row;
  }

  #makeButtons(passkey) {
    const what = make('span', { class: 'visually-hidden' }, ` ${nameOf(passkey)}`);
    const rename = make('button', { type: 'button', class: 'link-button', 'data-does': 'rename', onclick: () => this.#begin(passkey, 'rename') },
      'Rename', what);
    if (this.#list.length < 2) return make('p', { class: 'item-actions' }, rename);
    const remove = make('button', { type: 'button', class: 'link-button', 'data-does': 'remove', onclick: () => this.#begin(passkey, 'remove') },
      'Remove', what.cloneNode(true));
    return make('p', { class: 'item-actions' }, rename, remove);
  }

  #begin({ passkeyID }, change) {
    if (!this.#page.isConnected) return;
    this.#open = { passkeyID, change };
    this.#draw();
    const first = byID(passkeyID).querySelector('input, .confirm h4');
    first.focus();
    if (first.localName === 'input') first.select();
  }

  /** Back to the row, with the focus where it came from. */
  #close(does) {
    const passkeyID = this.#open?.passkeyID;
    this.#open = null;
    this.#draw();
    const row = byID(passkeyID);
    (row?.querySelector(`[data-does="${does}"]`) ?? byID('passkeys-title')).focus();
  }

  #makeRenameForm(passkey) {
    const input = make('input', { id: 'new-name', type: 'text', autocomplete: 'off', maxlength: '64', value: nameOf(passkey) });
    const save = make('button', { type: 'submit', class: 'button' }, 'Save');
    const stop = make('button', { type: 'button', class: 'button quiet', onclick: () => this.#close('rename') }, 'Keep the old name');
    const wrong = make('p', { class: 'wrong', id: 'new-name-wrong', hidden: true });
    const form = make('form', { class: 'rename', novalidate: true },
      make('div', { class: 'field' }, make('label', { for: 'new-name' }, 'Name'), input, wrong),
      make('div', { class: 'actions-row' }, save, stop));
    form.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#close('rename');
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (isBusy(save)) return;
      const name = input.value.trim();
      if (name === '') return sayWrong(input, wrong, 'Type a name.');
      if (name === nameOf(passkey)) return this.#close('rename');
      setBusy(save, 'Saving');
      let isRefused = false;
      const isDone = await this.#page.run(byID('passkeys-message'), async (session) => {
        const renamed = await session.passkeys.rename(passkey.passkeyID, name).catch((error) => {
          if (error.code !== 'invalidName') throw error;
          isRefused = true;
        });
        this.#list = this.#list.map((each) => (each.passkeyID === renamed?.passkeyID ? renamed : each));
      });
      setIdle(save, 'Save');
      if (isRefused) sayWrong(input, wrong, 'A name has 1 to 64 characters that can be seen.');
      if (!isDone || isRefused) return;
      this.#close('rename');
      announce(`The passkey is called ${name} now.`);
    });
    return form;
  }

  #makeRemoval(passkey) {
    const name = nameOf(passkey);
    const controller = new AbortController();
    const remove = make('button', { type: 'button', class: 'button danger' }, 'Remove it');
    const stop = make('button', { type: 'button', class: 'button quiet' }, 'Keep it');
    const prompt = make('p', { role: 'status' });
    stop.addEventListener('click', () => {
      controller.abort();
      this.#close('remove');
    });
    remove.addEventListener('click', async () => {
      if (isBusy(remove)) return;
      setBusy(remove, 'Waiting for your passkey');
      stop.textContent = 'Cancel';
      prompt.textContent = 'Your browser asks for one of your passkeys, as proof that it is you.';
      const { passkeyID } = passkey;
      const isDone = await this.#page.run(byID('passkeys-message'), (session) =>
        session.passkeys.remove(passkeyID, { signal: controller.signal }));
      if (controller.signal.aborted) return byID('passkeys-message').replaceChildren();
      if (!isDone) return this.#close('remove');
      this.#list = this.#list.filter((each) => each.passkeyID !== passkeyID);
      this.#close('remove');
      announce(`${name} is removed.`);
      this.#page.reload();
    });
    return make('div', { class: 'message confirm' },
      make('h4', { tabindex: '-1' }, 'Remove ', make('bdi', {}, name), '?'),
      make('p', {}, describeRemoval(passkey, this.#openSessions.get(passkey.passkeyID) ?? 0)),
      make('p', {}, 'It then stays on its device, of no use, until you delete it there; some devices do that by themselves.'),
      prompt,
      make('div', { class: 'actions-row' }, remove, stop));
  }

  #explainAdding() {
    if (!this.#page.isConnected) return;
    const begin = make('button', { type: 'button', class: 'button' }, 'Make it');
    const stop = make('button', { type: 'button', class: 'button quiet' }, 'Not now');
    const prompt = make('p', { role: 'status' });
    const title = make('h3', { tabindex: '-1' }, 'Two prompts');
    stop.addEventListener('click', () => {
      this.#adding?.abort();
      this.#adding = null;
      this.#stopAdding();
    });
    begin.addEventListener('click', async () => {
      if (isBusy(begin)) return;
      setBusy(begin, 'Waiting for your passkeys');
      stop.textContent = 'Cancel';
      prompt.textContent = 'Watch your browser: it asks twice.';
      const adding = new AbortController();
      this.#adding = adding;
      const isDone = await this.#page.run(byID('passkeys-message'), async (session) => {
        const added = await session.passkeys.add({ signal: adding.signal });
        this.#list = [...this.#list, added];
      });
      if (this.#adding !== adding) return byID('passkeys-message').replaceChildren();
      this.#adding = null;
      this.#stopAdding();
      if (!isDone) return;
      this.#draw();
      announce('The account has one more passkey.');
    });
    byID('add').hidden = true;
    byID('add-panel').replaceChildren(make('div', { class: 'message calm' }, title,
      make('ol', {},
        make('li', {}, 'Your browser makes the new passkey: on this device, on another one, or on a security key. You choose.'),
        make('li', {}, 'Then it asks for a passkey that you have already. That one vouches for the new one, so that nobody else can add theirs.')),
      prompt,
      make('div', { class: 'actions-row' }, begin, stop)));
    title.focus();
  }

  #stopAdding() {
    byID('add-panel').replaceChildren();
    byID('add').hidden = false;
    byID('add').focus();
  }
}

function sayWrong(input, wrong, text) {
  wrong.textContent = text;
  wrong.hidden = false;
  input.setAttribute('aria-invalid', 'true');
  input.setAttribute('aria-describedby', wrong.id);
  input.focus();
}

/** A row of the height of a real one, so that nothing jumps when that comes. */
export function makePlaceholder() {
  return make('li', { class: 'item placeholder' }, make('span', { class: 'visually-hidden' }, 'Loading'));
}

export function fact(term, value) {
  return make('div', {}, make('dt', {}, term), make('dd', {}, value));
}

export function isBusy(button) {
  return button.getAttribute('aria-disabled') === 'true';
}

export function setBusy(button, text) {
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('busy');
  button.textContent = text;
}

export function setIdle(button, text) {
  button.removeAttribute('aria-disabled');
  button.classList.remove('busy');
  button.textContent = text;
}
