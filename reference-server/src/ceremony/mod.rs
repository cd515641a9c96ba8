//! Ceremonies: challenge, registration, authentication.
