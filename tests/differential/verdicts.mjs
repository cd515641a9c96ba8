// The verdicts of SimpleWebAuthn: a ceremony a line comes in, a line for each goes out, empty where it is accepted.
//
// The first line says what is expected; then `{"answer": text}` is a registration, and with `id` and `publicKey` (the
// passkey that was registered, its COSE key in base64url) it is a sign-in.

import { createInterface } from 'node:readline';
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]();
const { origin, rpID, createChallenge, getChallenge, algorithms } = JSON.parse((await lines.next()).value);

for await (const line of lines) {
  const ceremony = JSON.parse(line);
  let verdict;
  try {
    const accepted = ceremony.publicKey === undefined ? await registers(ceremony) : await signsIn(ceremony);
    verdict = accepted ? '' : 'not verified';
  } catch (error) {
    verdict = `${error?.name}: ${error?.message}`.replaceAll(/\s+/g, ' ');
  }
  process.stdout.write(`${verdict}\n`);
}

async function registers({ answer }) {
  const { verified } = await verifyRegistrationResponse({
    response: JSON.parse(answer),
    expectedChallenge: createChallenge,
    expectedOrigin: origin,
    expectedRPID: rpID,
    supportedAlgorithmIDs: algorithms,
  });
  return verified;
}

async function signsIn({ answer, id, publicKey }) {
  const response = JSON.parse(answer);
  // As its documentation has it: the passkey is looked up by the id of the answer.
  if (response.id !== id) throw new Error('no passkey of this id');
  const { verified } = await verifyAuthenticationResponse({
    response,
    expectedChallenge: getChallenge,
    expectedOrigin: origin,
    expectedRPID: rpID,
    credential: { id, publicKey: Buffer.from(publicKey, 'base64url'), counter: 0 },
  });
  return verified;
}
