// What a page does with its session key (docs/protocol.md section 5), by hand.
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { world } from './world.mjs';

/** Signs in. */
export async function signIn(email = 'ada@shop.example') {
  const { page, accountID, sessionID, key } = await world('signIn', { email });
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const privateKey = await webcrypto.subtle.importKey('pkcs8', Buffer.from(key, 'base64'), algorithm, false, ['sign']);
  return { page, accountID, sessionID, privateKey };
}

async function sign(session, input) {
  const signature = await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, session.privateKey, Buffer.from(input));
  return Buffer.from(signature);
}

/** The fields of a signed request. */
export async function fields(session, method, address, body, { created = Date.now() / 1000, nonce = randomBytes(16) } = {}) {
  const digest = body === undefined ? undefined : `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  const covered = `("@method" "@target-uri"${digest ? ' "content-digest"' : ''})`;
  const params = `${covered};created=${Math.floor(created)};keyid="${session.sessionID}";nonce="${nonce.toString('base64url')}";tag="passkey-accounts"`;
  const base = [
    `"@method": ${method}`,
    `"@target-uri": ${address}`,
    ...(digest ? [`"content-digest": ${digest}`] : []),
    `"@signature-params": ${params}`,
  ].join('\n');
  return {
    ...(digest && { 'content-digest': digest }),
    'signature-input': `pa=${params}`,
    signature: `pa=:${(await sign(session, base)).toString('base64')}:`,
  };
}

/** A token for a socket. */
export async function token(session, audience, nonce, { iat = Math.floor(Date.now() / 1000), jti = randomBytes(16) } = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = encode({ alg: 'ES256', kid: session.sessionID, typ: 'session-proof+jwt' });
  const claims = encode({ aud: audience, nonce, iat, jti: jti.toString('base64url') });
  const signature = await sign(session, `${header}.${claims}`);
  return `${header}.${claims}.${signature.toString('base64url')}`;
}
