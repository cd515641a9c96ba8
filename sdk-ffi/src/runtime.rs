//! The threads behind the bindings: one tokio runtime per process for sockets, and the knowledge of which process it is.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tokio::runtime::{Builder, Handle, Runtime};

/// The process that something was made in. A fork copies memory but no threads: what runs on threads is dead in the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}

/// The runtime of this process, started when it is first needed.
pub(crate) fn handle() -> io::Result<Handle> {
    let mut held = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((process, runtime)) = &*held
        && process.is_current()
    {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("passkey-accounts")
        .enable_io()
        .enable_time()
        .build()?;
    let handle = runtime.handle().clone();
    // Dropping the runtime of the process before the fork would wait for threads that do not exist here.
    std::mem::forget(held.replace((Process::current(), runtime)));
    Ok(handle)
}

static RUNTIME: Mutex<Option<(Process, Runtime)>> = Mutex::new(None);
