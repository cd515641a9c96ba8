//! UniFFI bindings: converts between foreign languages and `passkey-accounts`.
