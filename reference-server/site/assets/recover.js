// The page for who has lost every passkey: the element, which begins there.

import { openLogin } from '/assets/session.js';

openLogin(() => {});
