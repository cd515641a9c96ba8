/** From what happened to what is said: sentences for notices, times in the language of the texts. */

import { isolate, make, type Child } from './dom.js';
import type { Failure, Notice } from './flow.js';
import { fill, type Strings } from './strings.js';

/** What a notice says: what happened, and what to do next. */
export interface Said {
  readonly text: Child[];
  readonly next?: string;
}

/** `graceMs`: how long the session is held while its connection is lost. */
export function describe(notice: Notice, strings: Strings, graceMs: number): Said {
  switch (notice.kind) {
    case 'failed':
      return describeFailure(notice.failure, strings);
    case 'ended':
      return { text: [strings.ended[notice.reason] ?? strings.ended['other'] ?? ''] };
    case 'expiring':
      return { text: fill(strings.expiring, { time: makeTime(notice.at, strings.lang, 'short') }) };
    case 'held':
      return { text: fill(strings.held, { duration: describeDuration(graceMs, strings.lang) }) };
    case 'cancelled':
    case 'codeSentAgain':
    case 'codeLost':
    case 'waitOver':
      return { text: [strings[notice.kind]] };
  }
}

export function describeFailure({ code, message }: Failure, strings: Strings): Said {
  const next = strings.next[code];
  return { text: [strings.errors[code] ?? makeSentence(message)], ...(next !== undefined && { next }) };
}

/** `in 30 seconds`, as the language writes it: whole seconds below 90, else whole minutes, rounded up. */
export function describeDuration(ms: number, lang: string): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const [value, unit] = seconds < 90 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
  return new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(value);
}

/** The time of day, or with the day before it. */
export function makeTime(date: Date, lang: string, style: 'short' | 'full'): HTMLElement {
  const options: Intl.DateTimeFormatOptions =
    style === 'short' ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return make('time', { datetime: date.toISOString() }, date.toLocaleString(lang, options));
}

/** An address in a sentence. */
export function makeAddress(email: string): HTMLElement {
  const address = isolate(email);
  address.className = 'address';
  return address;
}

function makeSentence(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
