/** Bytes as the wire writes them: base64url, length prefixes, hashes, identifiers. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Unpadded base64url. */
export function encode(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The bytes of unpadded base64url in its one spelling; anything else is `undefined`. */
export function decode(text: unknown): Bytes | undefined {
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
    return encode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text) as Bytes;

export const bytesOf = (source: BufferSource): Bytes =>
  source instanceof ArrayBuffer
    ? new Uint8Array(source.slice(0))
    : new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength).slice();

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

/** A label and parts, each after its length in four bytes, big-endian. */
export function labelled(label: string, ...parts: Uint8Array[]): Bytes {
  return concat(utf8(label), ...parts.flatMap((part) => [uint(part.length, 4), part]));
}

/** A number in `length` bytes, big-endian. */
export function uint(value: number, length: number): Bytes {
  return Uint8Array.from({ length }, (_, index) => Math.floor(value / 2 ** (8 * (length - 1 - index))) % 256);
}

export const makeBytes = (length: number): Bytes => crypto.getRandomValues(new Uint8Array(length));

/** A prefix and 128 bits in lower-case base32hex. */
export function identifier(prefix: string, bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return `${prefix}_${groups.map((group) => parseInt(group.padEnd(5, '0'), 2).toString(32)).join('')}`;
}
