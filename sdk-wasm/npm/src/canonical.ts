/** Actions in their RFC 8785 form: the one text of a JSON object, which a passkey's challenge then covers. */

import { PasskeyError } from './error.js';

/** The largest action, in bytes of its canonical form. */
const MAX_ACTION_BYTES = 2 * 1024;
/** Deeper than anything that a person could be shown. */
const MAX_DEPTH = 32;

/** Refuses (`invalidAction`) what is no JSON object, or would not be the same one after a round trip (RFC 7493). */
export function canonicalAction(action: unknown): string {
  if (!isPlain(action)) throw invalid('it is no plain object');
  const text = write(action, MAX_DEPTH);
  if (new TextEncoder().encode(text).length > MAX_ACTION_BYTES) throw invalid('it is larger than 2 KiB');
  return text;
}

function write(value: unknown, depth: number): string {
  if (depth === 0) throw invalid('it is nested too deeply');
  switch (typeof value) {
    case 'boolean':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw invalid(`${value} is no JSON number`);
      return JSON.stringify(value);
    case 'string':
      return text(value);
    case 'object':
      if (value === null) return 'null';
      // Array.from makes undefined of holes, which is then refused.
      if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth - 1)).join(',')}]`;
      if (isPlain(value)) {
        // By UTF-16 code units, as RFC 8785 wants it, which is how sort() compares.
        const names = Object.keys(value).sort();
        return `{${names.map((name) => `${text(name)}:${write(value[name], depth - 1)}`).join(',')}}`;
      }
  }
  throw invalid(`a ${typeof value === 'object' ? 'class instance' : typeof value} is no JSON`);
}

function text(value: string): string {
  // A lone surrogate, which UTF-8 cannot carry.
  if (/\p{Surrogate}/u.test(value)) throw invalid('a text in it is no Unicode');
  return JSON.stringify(value);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // That of an object literal has none itself, whichever frame it comes from.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function invalid(why: string): PasskeyError {
  return new PasskeyError('invalidAction', `the action to confirm must be a JSON object of at most 2 KiB: ${why}`, false);
}
