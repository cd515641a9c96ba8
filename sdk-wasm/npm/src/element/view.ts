/** The frame around the screens: how the connection is, the panel while the browser asks, what has happened. */

import { make, makeButton, say, type Child } from './dom.js';
import type { Model } from './flow.js';
import { build, isSame, type Actions, type Kit, type Shown } from './screens.js';
import { fill, type Strings } from './strings.js';
import { describe, describeDuration, makeAddress } from './words.js';

/** What the element's shadow root holds. */
export class View {
  readonly element: HTMLElement;
  readonly #kit: Kit;
  readonly #root: ShadowRoot;
  readonly #status = make('p', { class: 'status', part: 'status', role: 'status' });
  readonly #place = make('div');
  readonly #panel: HTMLElement;
  readonly #asks = make('p', { class: 'asks-text', role: 'status' });
  readonly #notice = make('div', { class: 'notice', part: 'notice' });
  // Two regions, because a live region keeps its politeness: what failed interrupts, other news does not.
  readonly #failed = make('div', { class: 'said', role: 'alert' });
  readonly #news = make('div', { class: 'said', role: 'status' });
  readonly #countdown = make('p', { class: 'countdown', role: 'timer', 'aria-live': 'off' });
  readonly #offer = make('div');
  // What the page itself adds to a screen.
  readonly #slot = make('slot');
  #shown: Shown | undefined;
  #model: Model | undefined;

  constructor(root: ShadowRoot, strings: Strings, actions: Actions, level: number, canRetry: boolean) {
    this.#root = root;
    this.#kit = { strings, actions, level, canRetry };
    const cancel = makeButton('quiet', strings.cancel, () => actions.cancel());
    this.#panel = make('div', { class: 'panel', part: 'panel' }, this.#asks, cancel);
    this.#notice.append(this.#failed, this.#news, this.#countdown, this.#offer);
    this.element = make(
      'div',
      { class: 'box', part: 'box', lang: strings.lang },
      this.#status,
      this.#place,
      this.#panel,
      this.#notice,
      this.#slot,
    );
  }

  /** Shows `model`. `takesFocus`: what is new gets the focus although it was nowhere in the element. */
  show(model: Model, nowMs: number, takesFocus: boolean): void {
    const before = this.#model;
    this.#model = model;
    const hadFocus = this.#root.activeElement !== null;
    this.#showStatus(model);
    if (!this.#shown || !before || !isSame(before, model)) {
      this.#shown = build(this.#kit, model);
      this.#place.replaceChildren(this.#shown.element);
      this.#slot.name = model.screen.name;
      this.#shown.update(model);
      if (hadFocus || takesFocus) this.#shown.focus.focus();
    } else {
      this.#shown.update(model);
    }
    if (model.wrong && (model.wrong !== before?.wrong || takesFocus)) {
      this.#showWrong(this.#shown.wrongField?.(model.wrong) ?? this.#shown.focus);
    }
    const couldCancel = !this.#panel.hidden && this.#panel.contains(this.#root.activeElement);
    this.#showPanel(model);
    // The button that was pressed is gone; the focus must not fall to the top of the page.
    if (couldCancel && this.#panel.hidden) this.#shown.focus.focus();
    this.#showNotice(model, before, nowMs);
  }

  #showWrong(field: HTMLElement): void {
    field.focus();
    if (field instanceof HTMLInputElement) field.select();
  }

  #showStatus({ link, screen }: Model): void {
    const { connecting, connected, live, lost, notConnected } = this.#kit.strings;
    const up = screen.name === 'signed-in' ? live : connected;
    this.#status.dataset['link'] = link;
    // A green light would say that all is well.
    const isAlarm = screen.name === 'mismatch';
    this.#status.hidden = isAlarm;
    say(this.#status, isAlarm ? '' : { connecting, up, lost, down: notConnected }[link]);
  }

  #showPanel({ task, email, mode }: Model): void {
    const { promptText, makingText, recoveringText } = this.#kit.strings;
    const making = mode === 'recover' ? recoveringText : makingText;
    const template = task === 'prompt' ? promptText : task === 'making' ? making : undefined;
    if ((template === undefined) === this.#panel.hidden && template === undefined) return;
    this.#panel.hidden = template === undefined;
    this.#asks.replaceChildren(...(template === undefined ? [] : fill(template, { email: makeAddress(email) })));
  }

  #showNotice(model: Model, before: Model | undefined, nowMs: number): void {
    const { notice, waitUntilMs, screen } = model;
    const { strings, actions } = this.#kit;
    if (notice !== before?.notice || !before) {
      const offer = notice?.kind === 'failed' ? notice.offer : undefined;
      const hadFocus = this.#offer.contains(this.#root.activeElement);
      const label = offer === 'recover' ? strings.lostPasskeys : strings.signInInstead;
      this.#offer.replaceChildren(...(offer ? [makeButton('quiet', label, () => actions.choose(offer))] : []));
      if (hadFocus) this.#shown?.focus.focus();
      const graceMs = screen.name === 'signed-in' ? screen.session.graceMs : 0;
      const { text, next } = notice ? describe(notice, strings, graceMs) : { text: [] };
      // The countdown says what to do.
      const said = { text, ...(next !== undefined && waitUntilMs === undefined && { next }) };
      const isProblem = notice?.kind === 'failed';
      this.#notice.classList.toggle('problem', isProblem);
      fillRegion(this.#failed, isProblem ? said : undefined);
      fillRegion(this.#news, isProblem ? undefined : said);
    }
    const wait = waitUntilMs === undefined ? '' : fillText(strings.wait, describeDuration(waitUntilMs - nowMs, strings.lang));
    say(this.#countdown, wait);
    this.#countdown.hidden = wait === '';
    this.#notice.classList.toggle('empty', !notice && wait === '');
  }
}

function fillRegion(region: HTMLElement, said: { text: Child[]; next?: string } | undefined): void {
  const paragraphs = said && said.text.length > 0 ? [make('p', {}, ...said.text)] : [];
  if (said?.next) paragraphs.push(make('p', { class: 'next' }, said.next));
  region.replaceChildren(...paragraphs);
}

function fillText(template: string, duration: string): string {
  return fill(template, { duration }).join('');
}

