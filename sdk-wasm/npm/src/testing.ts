/**
 * For the tests of a front end: a software authenticator, and a server in memory that checks what it is told. An app's
 * sign-in then runs in Vitest, Jest or node:test, without a browser and without a network. Never for production.
 */

export { SoftwareAuthenticator, type AuthenticatorOptions, type SoftwarePasskey } from './testing/authenticator.js';
export type { FailureCode } from './testing/failure.js';
export { install, type Installed } from './testing/install.js';
export type { FakeEvent } from './testing/records.js';
export { FakeServer, type FakeServerOptions, type FakeSession } from './testing/server.js';
