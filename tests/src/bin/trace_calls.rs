//! `trace_calls FILE PROGRAM ARGUMENTS...`: runs a program and writes down, in the order in which they are made, its
//! writes to a write-ahead log, its syncs of it, and what it tells its peers.
//!
//! A line each: `write OFFSET`, `sync`, `synced RESULT`, `told WORD`. Writes and syncs that have returned are facts;
//! what is told is noted before the call is made. Linux on x86-64.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> anyhow::Result<()> {
    tracer::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracer {
    use std::{
        collections::{HashMap, HashSet},
        fs::{self, File},
        io::Write,
        os::unix::fs::FileExt,
        process::Command,
    };

    use anyhow::Context;
    use nix::{
        errno::Errno,
        libc,
        sys::{
            ptrace::{self, Options},
            signal::Signal,
            wait::{WaitPidFlag, WaitStatus, waitpid},
        },
        unistd::Pid,
    };

    /// What of a message tells what it says.
    const WORDS: [&str; 4] = ["signedIn", "signedOut", "loggedIn", "loggedOut"];

    pub(super) fn main() -> anyhow::Result<()> {
        let mut arguments = std::env::args_os().skip(1);
        let file = arguments.next().context("a file")?;
        let program = arguments.next().context("a program")?;
        let child = Command::new(program).args(arguments).spawn()?;
        let mut tracer = Tracer {
            pid: Pid::from_raw(i32::try_from(child.id())?),
            file: File::create(file)?,
            threads: HashSet::new(),
            syncs: HashMap::new(),
        };
        tracer.seize()?;
        tracer.follow()
    }

    struct Tracer {
        pid: Pid,
        file: File,
        threads: HashSet<Pid>,
        /// Threads that are inside a sync of the log.
        syncs: HashMap<Pid, ()>,
    }

    impl Tracer {
        /// Takes every thread that there is; those that they make are followed from their first moment.
        fn seize(&mut self) -> anyhow::Result<()> {
            let options =
                Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
            loop {
                let mut is_complete = true;
                for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
                    let thread = Pid::from_raw(task?.file_name().to_string_lossy().parse()?);
                    if self.threads.insert(thread) && ptrace::seize(thread, options).is_ok() {
                        ptrace::interrupt(thread)?;
                        is_complete = false;
                    }
                }
                if is_complete {
                    return Ok(());
                }
            }
        }

        fn follow(&mut self) -> anyhow::Result<()> {
            loop {
                match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL)) {
                    Ok(WaitStatus::PtraceSyscall(thread)) => {
                        // A thread may be killed while it stands still.
                        let _ = self.note(thread);
                        let _ = ptrace::syscall(thread, None);
                    }
                    Ok(WaitStatus::PtraceEvent(thread, ..)) => drop(ptrace::syscall(thread, None)),
                    Ok(WaitStatus::Stopped(thread, signal)) => {
                        let signal =
                            (signal != Signal::SIGTRAP && signal != Signal::SIGSTOP).then_some(signal);
                        let _ = ptrace::syscall(thread, signal);
                    }
                    Ok(WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..))
                        if thread == self.pid =>
                    {
                        return Ok(());
                    }
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }

        fn note(&mut self, thread: Pid) -> anyhow::Result<()> {
            let call = ptrace::getregs(thread)?;
            let is_entry = call.rax.cast_signed() == -i64::from(libc::ENOSYS);
            match i64::try_from(call.orig_rax)? {
                libc::SYS_pwrite64 if !is_entry && self.is_log(call.rdi) => {
                    writeln!(self.file, "write {}", call.r10)?;
                }
                libc::SYS_fsync | libc::SYS_fdatasync if is_entry && self.is_log(call.rdi) => {
                    self.syncs.insert(thread, ());
                    writeln!(self.file, "sync")?;
                }
                libc::SYS_fsync | libc::SYS_fdatasync if self.syncs.remove(&thread).is_some() => {
                    writeln!(self.file, "synced {}", call.rax.cast_signed())?;
                }
                libc::SYS_write | libc::SYS_sendto if is_entry => self.note_told(call.rsi, call.rdx)?,
                libc::SYS_writev if is_entry => {
                    for number in 0..call.rdx {
                        let mut part = [0; 16];
                        self.memory()?.read_exact_at(&mut part, call.rsi + 16 * number)?;
                        let (at, length) = part.split_at(8);
                        self.note_told(
                            u64::from_le_bytes(at.try_into()?),
                            u64::from_le_bytes(length.try_into()?),
                        )?;
                    }
                }
                _ => {}
            }
            Ok(())
        }

        fn note_told(&mut self, at: u64, length: u64) -> anyhow::Result<()> {
            let mut text = vec![0; usize::try_from(length)?.min(256 * 1024)];
            let read = self.memory()?.read_at(&mut text, at)?;
            text.truncate(read);
            let text = String::from_utf8_lossy(&text);
            let mut told: Vec<(usize, &str)> = Vec::new();
            for word in WORDS {
                let said = format!(r#""type":"{word}""#);
                told.extend(text.match_indices(&said).map(|(place, _)| (place, word)));
            }
            told.sort_unstable();
            for (_, word) in told {
                writeln!(self.file, "told {word}")?;
            }
            Ok(())
        }

        fn memory(&self) -> anyhow::Result<File> {
            Ok(File::open(format!("/proc/{}/mem", self.pid))?)
        }

        fn is_log(&self, descriptor: u64) -> bool {
            let path = fs::read_link(format!("/proc/{}/fd/{descriptor}", self.pid));
            path.is_ok_and(|path| path.to_string_lossy().ends_with("-wal"))
        }
    }
}
