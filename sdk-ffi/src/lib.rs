//! UniFFI bindings: converts between foreign languages and `passkey-accounts`, and does nothing else.
//!
//! | file | what it converts |
//! | --- | --- |
//! | `stream.rs` | the event stream, pulled in two phases: `ready` waits and carries nothing, `take` carries and never waits |
//! | `types.rs` | items and events |
//! | `error.rs` | errors |
//! | `runtime.rs` | nothing: the threads that the foreign program need not know of |

mod error;
mod runtime;
mod stream;
mod types;

pub use error::StreamError;
pub use stream::{EventStream, StreamOptions};
pub use types::*;

uniffi::setup_scaffolding!();
