//! The browser module: converts between JavaScript and `passkey-accounts`.
