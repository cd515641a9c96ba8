/** The screens: each builds its elements once, and afterwards only changes what changed. */

import { isolate, make, makeButton, setBlocked } from './dom.js';
import { isReady, type Model, type Mode, type Wrong } from './flow.js';
import { fill, type Strings } from './strings.js';
import { describeFailure, makeAddress, makeTime } from './words.js';

/** What a person can do. */
export interface Actions {
  type(email: string): void;
  submitAddress(email: string, isValid: boolean): void;
  /** `recoveryCode` is of use with the mode `recover`. */
  submitCode(code: string, recoveryCode: string): void;
  choose(mode: Mode): void;
  sendCode(): void;
  signOut(): void;
  cancel(): void;
  retry(): void;
  reload(): void;
}

/** A screen as it stands in the page. */
export interface Shown {
  readonly element: HTMLElement;
  /** Gets the focus when a person's own action brought the screen up, or when what they typed is wrong. */
  readonly focus: HTMLElement;
  /** Which of several fields it is that something is wrong with. */
  readonly wrongField?: (wrong: Wrong) => HTMLElement;
  update(model: Model): void;
}

/** What a screen is built from. */
export interface Kit {
  readonly strings: Strings;
  readonly actions: Actions;
  /** Of its heading, 1 to 6. */
  readonly level: number;
  /** Whether trying again is possible here. */
  readonly canRetry: boolean;
}

export function build(kit: Kit, model: Model): Shown {
  switch (model.screen.name) {
    case 'connecting': {
      const shown = plain(kit, entry(kit, model.mode).title, [kit.strings.connectingText]);
      shown.element.classList.add('waiting');
      return shown;
    }
    case 'unavailable': {
      const { failure } = model.screen;
      const { text, next } = failure ? describeFailure(failure, kit.strings) : { text: [kit.strings.unavailableText] };
      const button = kit.canRetry ? makeButton('quiet', kit.strings.retry, () => kit.actions.retry()) : undefined;
      return plain(kit, kit.strings.unavailableTitle, [text, next], button);
    }
    case 'not-supported': {
      const { text } = describeFailure(model.screen.failure, kit.strings);
      const button = kit.canRetry ? makeButton('quiet', kit.strings.retry, () => kit.actions.retry()) : undefined;
      return plain(kit, kit.strings.notSupportedTitle, [text, kit.strings.notSupportedNext], button);
    }
    case 'mismatch': {
      const { errors, next, reload } = kit.strings;
      const button = makeButton('quiet', reload, () => kit.actions.reload());
      const shown = plain(kit, kit.strings.mismatchTitle, [errors['challengeMismatch'], next['challengeMismatch']], button);
      shown.element.classList.add('alarm');
      shown.element.setAttribute('role', 'alert');
      return shown;
    }
    case 'address':
      return address(kit, model);
    case 'code':
      return code(kit, model, model.screen.expiresAt);
    case 'code-expired': {
      const text = fill(kit.strings.codeExpiredText, { email: makeAddress(model.email) });
      const button = makeButton('main', kit.strings.newCode, () => {
        if (button.getAttribute('aria-disabled') !== 'true') kit.actions.sendCode();
      });
      const shown = plain(kit, kit.strings.codeExpiredTitle, [text], button, otherAddress(kit, model.mode));
      return { ...shown, update: (model) => work(button, model, 'sending', kit.strings.newCode, kit.strings.sending) };
    }
    case 'recovery-held': {
      const { recoveryHeldTitle, recoveryHeldText, recoveryHeldNext, lang } = kit.strings;
      const values = { email: makeAddress(model.email), time: makeTime(model.screen.until, lang, 'full') };
      return plain(kit, recoveryHeldTitle, [fill(recoveryHeldText, values), recoveryHeldNext]);
    }
    case 'recovered': {
      const button = makeButton('main', kit.strings.signInInstead, () => kit.actions.choose('sign-in'));
      return plain(kit, kit.strings.recoveredTitle, [kit.strings.recoveredText], button);
    }
    case 'signed-in':
      return signedIn(kit, model);
  }
}

/** Whether two models are shown by the same elements, so that what is typed and focused stays. */
export function isSame(before: Model, after: Model): boolean {
  return identify(before) === identify(after);
}

function identify({ screen, mode }: Model): string {
  switch (screen.name) {
    case 'address':
    case 'connecting':
      return `${screen.name} ${mode}`;
    case 'code':
      return `code ${mode} ${screen.expiresAt.getTime()}`;
    case 'recovery-held':
      return `recovery-held ${screen.until.getTime()}`;
    case 'signed-in':
      return `signed-in ${screen.session.sessionID}`;
    case 'unavailable':
    case 'not-supported':
    case 'code-expired':
    case 'recovered':
    case 'mismatch':
      return `${screen.name} ${'failure' in screen ? screen.failure?.code : ''}`;
  }
}

interface Entry {
  readonly title: string;
  readonly text: string;
  readonly label: string;
  /** The way to another form. */
  readonly question: string;
  readonly other: string;
  readonly otherMode: Mode;
}

function entry({ strings }: Kit, mode: Mode): Entry {
  switch (mode) {
    case 'sign-in': {
      const { signInTitle: title, signInText: text, signInButton: label, noAccount: question, createOne: other } = strings;
      return { title, text, label, question, other, otherMode: 'sign-up' };
    }
    case 'sign-up': {
      const { signUpTitle: title, signUpText: text, signUpButton: label, haveAccount: question, signInInstead: other } = strings;
      return { title, text, label, question, other, otherMode: 'sign-in' };
    }
    case 'recover': {
      const { recoverTitle: title, recoverText: text, signUpButton: label, havePasskey: question, signInInstead: other } = strings;
      return { title, text, label, question, other, otherMode: 'sign-in' };
    }
  }
}

function address(kit: Kit, { mode, email }: Model): Shown {
  const { strings, actions } = kit;
  const isSignIn = mode === 'sign-in';
  const { title, text, label, question, other, otherMode } = entry(kit, mode);
  const input = make('input', {
    id: 'email',
    part: 'input',
    name: 'email',
    type: 'email',
    // Not `webauthn`: which passkeys fit is known only once there is an address.
    autocomplete: 'email',
    autocapitalize: 'none',
    spellcheck: 'false',
    enterkeyhint: 'go',
    required: '',
    maxlength: '254',
    dir: 'ltr',
  });
  input.value = email;
  input.addEventListener('input', () => actions.type(input.value));
  const button = makeButton('main', label);
  const field = makeField(strings, input, strings.email, '');
  const form = make('form', { part: 'form', novalidate: '' }, field.element, button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    // As it will be sent. Browsers drop the spaces of email fields anyway.
    input.value = input.value.trim();
    actions.submitAddress(input.value, input.validity.valid);
  });
  const link = makeButton('link', other, () => actions.choose(otherMode));
  const { element } = plain(kit, title, [text]);
  element.append(form, make('p', { class: 'below', part: 'below' }, question, ' ', link));
  return {
    element,
    focus: input,
    update(model) {
      // A browser that fills the field in, or a page that set the address, must not fight with who types.
      if (input.value.trim() !== model.email.trim()) input.value = model.email;
      field.update(model);
      work(button, model, isSignIn ? 'prompt' : 'sending', label, isSignIn ? strings.waiting : strings.sending);
    },
  };
}

function code(kit: Kit, { email, mode }: Model, expiresAt: Date): Shown {
  const { strings, actions } = kit;
  const isRecovery = mode === 'recover';
  const input = make('input', {
    id: 'code',
    part: 'input code',
    class: 'digits',
    name: 'code',
    type: 'text',
    inputmode: 'numeric',
    autocomplete: 'one-time-code',
    enterkeyhint: 'go',
    required: '',
    maxlength: '16',
    dir: 'ltr',
  });
  const recoveryInput = make('input', {
    id: 'recovery-code',
    part: 'input recovery-code',
    name: 'recovery-code',
    type: 'text',
    autocomplete: 'off',
    autocapitalize: 'characters',
    spellcheck: 'false',
    enterkeyhint: 'go',
    required: '',
    maxlength: '64',
    dir: 'ltr',
  });
  const [label, busyLabel] = isRecovery ? [strings.recoverButton, strings.checking] : [strings.codeButton, strings.making];
  const button = makeButton('main', label);
  const field = makeField(strings, input, strings.code, isRecovery ? '' : strings.codeHint);
  const recoveryField = isRecovery && makeField(strings, recoveryInput, strings.recoveryCode, strings.recoveryCodeHint, isOfRecoveryCode);
  const form = make('form', { part: 'form', novalidate: '' }, field.element, ...(recoveryField ? [recoveryField.element] : []), button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') !== 'true') actions.submitCode(readDigits(input.value), recoveryInput.value.trim());
  });
  const again = makeButton('link', strings.newCode, () => {
    if (again.getAttribute('aria-disabled') !== 'true') actions.sendCode();
  });
  const values = { email: makeAddress(email), time: makeTime(expiresAt, strings.lang, 'short') };
  const { element } = plain(kit, strings.codeTitle, [fill(strings.codeText, values)]);
  element.append(form, make('p', { class: 'below links', part: 'below' }, again, ' ', otherAddress(kit, mode)));
  return {
    element,
    focus: input,
    wrongField: (wrong) => (isOfRecoveryCode(wrong) ? recoveryInput : input),
    update(model) {
      field.update(model);
      if (recoveryField) recoveryField.update(model);
      work(button, model, 'making', label, busyLabel);
      work(again, model, 'sending', strings.newCode, strings.sending);
    },
  };
}

function signedIn(kit: Kit, { screen, email }: Model): Shown {
  if (screen.name !== 'signed-in') throw new TypeError('the screen of a session needs one');
  const { strings, actions } = kit;
  const { accountID, startedAt, expiresAt } = screen.session;
  const row = (term: string, value: Node): HTMLElement =>
    make('div', {}, make('dt', {}, term), make('dd', {}, value));
  const who = email === '' ? make('code', { dir: 'ltr' }, accountID) : isolate(email);
  const ledger = make(
    'dl',
    { class: 'ledger', part: 'ledger' },
    row(strings.account, who),
    row(strings.since, makeTime(startedAt, strings.lang, 'full')),
    row(strings.endsAtLatest, makeTime(expiresAt, strings.lang, 'full')),
  );
  const button = makeButton('quiet', strings.signOut, () => {
    if (button.getAttribute('aria-disabled') !== 'true') actions.signOut();
  });
  const shown = plain(kit, strings.signedInTitle, []);
  shown.element.append(ledger, button);
  return {
    ...shown,
    update(model) {
      const isBusy = model.task === 'signingOut';
      // Also while the connection is lost: signing out is what a person may always do.
      setBlocked(button, isBusy, isBusy);
      button.textContent = isBusy ? strings.signingOut : strings.signOut;
    },
  };
}

type Paragraph = string | (Node | string)[] | undefined;

function plain(kit: Kit, title: string, paragraphs: Paragraph[], ...actions: (HTMLElement | undefined)[]): Shown {
  const heading = make('h2', { part: 'title', tabindex: '-1' }, title);
  if (kit.level !== 2) {
    heading.setAttribute('role', 'heading');
    heading.setAttribute('aria-level', String(kit.level));
  }
  const element = make('div', { class: 'screen', part: 'screen' }, heading);
  for (const paragraph of paragraphs) {
    if (paragraph !== undefined && paragraph !== '') {
      element.append(make('p', { part: 'text', class: 'text' }, ...(typeof paragraph === 'string' ? [paragraph] : paragraph)));
    }
  }
  for (const action of actions) if (action) element.append(action);
  return { element, focus: heading, update: () => undefined };
}

function otherAddress({ strings, actions }: Kit, mode: Mode): HTMLButtonElement {
  return makeButton('link', strings.otherAddress, () => actions.choose(mode));
}

function isOfRecoveryCode(wrong: Wrong): boolean {
  return wrong === 'recoveryCodeMissing' || wrong === 'wrongRecoveryCode';
}

interface Field {
  readonly element: HTMLElement;
  update(model: Model): void;
}

/** A label, its input, a hint, and what is wrong with it: of all that can be, what `isOfField` says. */
function makeField(
  strings: Strings,
  input: HTMLInputElement,
  label: string,
  hint: string,
  isOfField: (wrong: Wrong) => boolean = (wrong) => !isOfRecoveryCode(wrong),
): Field {
  const [hintID, wrongID] = [`${input.id}-hint`, `${input.id}-wrong`];
  const wrong = make('p', { id: wrongID, class: 'wrong', part: 'wrong' });
  const element = make('div', { class: 'field', part: 'field' }, make('label', { for: input.id, part: 'label' }, label), input);
  if (hint) element.append(make('p', { id: hintID, class: 'hint', part: 'hint' }, hint));
  element.append(wrong);
  return {
    element,
    update(model) {
      const text = model.wrong && isOfField(model.wrong) ? strings[model.wrong] : '';
      wrong.textContent = text;
      wrong.hidden = text === '';
      const described = [hint && hintID, text && wrongID].filter(Boolean).join(' ');
      setOrRemove(input, 'aria-describedby', described);
      setOrRemove(input, 'aria-invalid', text && 'true');
      input.readOnly = model.task !== undefined;
    },
  };
}

function setOrRemove(element: Element, name: string, value: string | undefined): void {
  if (value) element.setAttribute(name, value);
  else element.removeAttribute(name);
}

function work(button: HTMLButtonElement, model: Model, task: Model['task'], label: string, busyLabel: string): void {
  const isBusy = model.task === task;
  setBlocked(button, !isReady(model), isBusy);
  const text = isBusy ? busyLabel : label;
  if (button.textContent !== text) button.textContent = text;
}

/** The digits alone, also of keyboards that write them otherwise: Arabic, Persian, full width. */
function readDigits(text: string): string {
  // In each of these blocks the lowest four bits are the digit.
  const latin = text.replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, (digit) => String(digit.charCodeAt(0) & 15));
  return latin.replace(/[^0-9]/g, '');
}
