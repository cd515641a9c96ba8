//! What whole-system tests share: a server on port 0, a software authenticator, socket clients.

pub mod chromium;
