//! The threads behind a client: one runtime for sockets, and one thread that wakes the foreign program.
//!
//! Waking foreign code may wait for a foreign lock (Python's GIL). On a thread of its own that stalls nothing else: sockets
//! go on, heartbeats are answered. All threads end with [`Engine::close`].

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle, ThreadId},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::error::Error;

/// What runs for one client. Dropped without `close`, its threads end by themselves a little later.
#[derive(Debug)]
pub(crate) struct Engine {
    process: Process,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
    waker: Waker,
    waking: Mutex<Option<JoinHandle<()>>>,
    /// What is to be ended in an orderly way, and the word that it is time.
    orderly: TaskTracker,
    closing: CancellationToken,
}

impl Engine {
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("passkey-accounts")
            .enable_io()
            .enable_time()
            .build()?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let waking = thread::Builder::new().name("passkey-accounts-wake".to_owned()).spawn(move || {
            while let Ok(Job::Call(job)) = queue.recv() {
                job();
            }
        })?;
        Ok(Arc::new(Self {
            process: Process::current(),
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            waker: Waker { jobs, thread: waking.thread().id() },
            waking: Mutex::new(Some(waking)),
            orderly: TaskTracker::new(),
            closing: CancellationToken::new(),
        }))
    }

    /// Whether anything of it can work: not in a forked process, and not once it is closed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.process.is_current() {
            return Err(Error::forked());
        }
        if self.closing.is_cancelled() { Err(Error::closed()) } else { Ok(()) }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.check().is_ok()
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Cancelled when the client is closed.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Makes what needs a runtime around it.
    pub(crate) fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _inside = self.handle.enter();
        make()
    }

    /// Starts a task that `close` waits for.
    pub(crate) fn spawn_orderly(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.orderly.spawn_on(task, &self.handle);
    }

    /// Runs it on the runtime; only its outcome is waited for here, and dropping the wait ends it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.check()?;
        let (answer, answered) = oneshot::channel();
        let waker = self.waker();
        let _until_answered = AbortOnDropHandle::new(self.handle.spawn(async move {
            let outcome = task.await;
            // An error means that nobody waits any more.
            waker.call(move || drop(answer.send(outcome)));
        }));
        answered.await.map_err(|_| Error::closed())
    }

    /// Ends everything: streams acknowledge what was handled and say goodbye, threads end. Blocks until that is done, at
    /// the most some seconds.
    pub(crate) fn close(&self) {
        if !self.process.is_current() {
            return;
        }
        self.closing.cancel();
        self.orderly.close();
        let Some(runtime) = lock(&self.runtime).take() else { return };
        let orderly = self.orderly.clone();
        // An error means that it took too long. The server will notice by itself.
        drop(runtime.block_on(async { tokio::time::timeout(GOODBYE, orderly.wait()).await }));
        runtime.shutdown_timeout(SHUTDOWN);
        self.end_waking();
    }

    fn end_waking(&self) {
        // An error means that it has ended.
        drop(self.waker.jobs.send(Job::End));
        if let Some(waking) = lock(&self.waking).take().filter(|_| !self.waker.is_here()) {
            // A panic of that thread has been reported; there is nothing to add here.
            drop(waking.join());
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(runtime) = lock(&self.runtime).take() else { return };
        if self.process.is_current() {
            // Not waited for: this may be any thread of the foreign program, its garbage collector's too.
            runtime.shutdown_background();
            drop(self.waker.jobs.send(Job::End));
        } else {
            // Its threads do not exist here, and waiting for them would last for ever.
            std::mem::forget(runtime);
        }
    }
}

/// Wakes the foreign program from a thread of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    jobs: Sender<Job>,
    thread: ThreadId,
}

impl Waker {
    /// Has this done by the waking thread, after everything that was asked of it before.
    pub(crate) fn call(&self, job: impl FnOnce() + Send + 'static) {
        // An error means that the client is closed, and nobody waits.
        drop(self.jobs.send(Job::Call(Box::new(job))));
    }

    /// Waits until everything that was asked of it before is done.
    pub(crate) fn settle(&self) {
        if self.is_here() {
            return;
        }
        let (done, wait) = mpsc::channel::<()>();
        self.call(move || drop(done));
        // It says nothing, it is dropped: by the job, or with a queue that is not read any more.
        let _ = wait.recv();
    }

    fn is_here(&self) -> bool {
        thread::current().id() == self.thread
    }
}

enum Job {
    Call(Box<dyn FnOnce() + Send>),
    End,
}

/// The process that something was made in. A fork copies memory but no threads: what runs on threads is dead in the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process(u32);

impl Process {
    fn current() -> Self {
        Self(std::process::id())
    }

    fn is_current(self) -> bool {
        self == Self::current()
    }
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long streams may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long code of the application that was asked for a key or a position is waited for.
const SHUTDOWN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use futures_util::FutureExt;

    use super::Engine;
    use crate::error::Error;

    #[test]
    fn to_close_ends_what_runs_and_refuses_what_comes() {
        let engine = Engine::start().unwrap();
        let mut waiting = Box::pin(engine.run(std::future::pending::<()>()));
        assert!(waiting.as_mut().now_or_never().is_none());
        engine.close();
        assert_eq!(waiting.now_or_never(), Some(Err(Error::closed())));
        assert_eq!(engine.run(async {}).now_or_never(), Some(Err(Error::closed())));
        engine.close();
    }

    #[test]
    fn whoever_waits_is_woken_by_the_waking_thread_alone() {
        let engine = Engine::start().unwrap();
        let (here, told) = std::sync::mpsc::channel();
        engine.waker().call(move || here.send(thread::current().id()).unwrap());
        let waking = told.recv().unwrap();
        let (gate, opened) = tokio::sync::oneshot::channel::<()>();
        let (woken_by, woken) = std::sync::mpsc::channel();
        let waker = std::task::Waker::from(Arc::new(Notes(woken_by)));
        let mut running = Box::pin(engine.run(opened));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(running.as_mut().poll(&mut context).is_pending());
        gate.send(()).unwrap();
        assert_eq!(woken.recv().unwrap(), waking);
        assert_eq!(running.now_or_never(), Some(Ok(Ok(()))));
        engine.close();
    }

    struct Notes(std::sync::mpsc::Sender<thread::ThreadId>);

    impl std::task::Wake for Notes {
        fn wake(self: Arc<Self>) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    #[test]
    fn what_was_asked_of_the_waking_thread_before_is_done_when_it_has_settled() {
        let engine = Engine::start().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..1_000 {
            let done = Arc::clone(&done);
            engine.waker().call(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        engine.waker().settle();
        assert_eq!(done.load(Ordering::SeqCst), 1_000);
        engine.close();
        // Nobody reads the queue any more; it does not wait for ever.
        engine.waker().settle();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn to_close_ends_both_threads() {
        let alive = |ids: &[String]| {
            ids.iter().filter(|id| std::path::Path::new("/proc/self/task").join(id).exists()).count()
        };
        let (ids, told) = std::sync::mpsc::channel();
        let engine = Engine::start().unwrap();
        let this_thread = || std::fs::read_link("/proc/thread-self").unwrap();
        let (of_waking, of_runtime) = (ids.clone(), ids);
        engine.waker().call(move || of_waking.send(this_thread()).unwrap());
        engine.spawn_orderly(async move { of_runtime.send(this_thread()).unwrap() });
        let ids: Vec<_> = (0..2)
            .map(|_| told.recv().unwrap().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(alive(&ids), 2);
        engine.close();
        // The system ends a thread a moment after it could be joined.
        for _ in 0..1_000_000 {
            if alive(&ids) == 0 {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(alive(&ids), 0);
    }
}
