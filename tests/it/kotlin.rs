//! The Kotlin package against the real server.
