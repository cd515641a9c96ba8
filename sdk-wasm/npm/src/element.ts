/**
 * `<passkey-login>`: sign-up, sign-in and sign-out as one element. Importing this module defines it in a browser and does
 * nothing on a server.
 */

import { PasskeyLogin } from './element/element.js';

export { PasskeyLogin } from './element/element.js';
export type { Mode, ScreenName } from './element/flow.js';
export { addStrings, type Strings, type StringsOverride } from './element/strings.js';

if (globalThis.customElements && !customElements.get('passkey-login')) {
  customElements.define('passkey-login', PasskeyLogin);
}

declare global {
  interface HTMLElementTagNameMap {
    'passkey-login': PasskeyLogin;
  }
}
