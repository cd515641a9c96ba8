//! How the connection is doing, for dashboards and readiness probes.

use std::time::Duration;

/// What the stream is doing right now. Items say nothing about it: a quiet stream can be live or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// A connection is being made.
    Connecting,
    /// The server has accepted the key and sends what happens.
    Live,
    /// A worker that is connected and has no lane: others have them all, and it steps in when one of them leaves.
    Standby,
    /// The connection was lost; the stream resumes where it was.
    Waiting {
        /// How long until the next try, counted from the moment of this status.
        retry_in: Duration,
        /// What happened, for people.
        why: String,
    },
    /// It is over: the stream has ended with an error, or was dropped.
    Closed,
}
