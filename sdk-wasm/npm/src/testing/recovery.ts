/** Recovery codes: 128 random bits as people write them down, Crockford's base32 with its check character. */

import { makeBytes } from './bytes.js';

/** `0000-0000-0000-0000-0000-0000-000`. */
export function makeRecoveryCode(): string {
  // 26 digits of five bits are the number with two zero bits behind it.
  let number = makeBytes(16).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) * 4n;
  let text = SYMBOLS.charAt(Number(number % 37n));
  for (let digit = 0; digit < 26; digit += 1) {
    text = SYMBOLS.charAt(Number(number % 32n)) + text;
    number /= 32n;
  }
  return text.replace(/.{4}(?=.)/g, '$&-');
}

/** Whether a person typed this code: case, space and hyphens do not matter, and `O` is `0`, `I` and `L` are `1`. */
export function isRecoveryCode(typed: string, code: string): boolean {
  const plain = (text: string): string =>
    text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return plain(typed) === plain(code);
}

const SYMBOLS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U';
