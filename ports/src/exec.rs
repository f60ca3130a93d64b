//! Runs a program of the machine to its end, within a deadline.

use async_trait::async_trait;
use futures::future::{Either, select, try_join};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{ffi::OsString, fmt::Debug, io, process::Stdio, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// More output than this is not read.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;

/// What to run. Secrets go by `stdin`, never by `arguments`, which every user of the machine sees.
#[derive(Clone, Default, Debug)]
pub struct Program {
    pub path: OsString,
    pub arguments: Vec<OsString>,
    pub stdin: Vec<u8>,
    pub environment: Environment,
    pub leaves: Leaves,
}

/// What becomes of what a program has started, when the program has ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Leaves {
    /// It is killed.
    #[default]
    Nothing,
    /// It lives on: to start it was the purpose. What it writes is read and forgotten, for as long as this process
    /// lives.
    Services,
}

/// What the program finds around it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Environment {
    /// Our own variables and folder.
    #[default]
    Inherited,
    /// A path to the machine's programs and nothing else of ours, in the root folder.
    Clean,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Why it did not end.
#[derive(thiserror::Error, Debug)]
pub enum ExecError {
    #[error("cannot run {program}")]
    Start { program: String, source: std::io::Error },
    #[error("{program} did not end within {deadline_ms} ms and was killed")]
    TimedOut { program: String, deadline_ms: u64 },
    #[error("{program} wrote more than {OUTPUT_BYTES_MAX} bytes and was killed")]
    Flooded { program: String },
}

/// Runs programs.
#[async_trait]
pub trait Exec: Send + Sync + Debug {
    /// Runs `program` to its end; it is killed at the deadline, or when nobody waits for it any more, with what it
    /// has started itself. What it leaves behind at its own end is killed, too, unless `leaves` says otherwise.
    ///
    /// # Errors
    /// When it could not be started, did not end in time or wrote without end. A failing exit code is an `Ok`.
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError>;
}

/// The real machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemExec;

#[async_trait]
impl Exec for SystemExec {
    #[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        let name = program.path.to_string_lossy().into_owned();
        let start_failed = |source| ExecError::Start { program: name.clone(), source };
        let mut command = tokio::process::Command::new(&program.path);
        match program.environment {
            Environment::Inherited => {}
            Environment::Clean => {
                command.env_clear().env("PATH", PATH).current_dir("/");
            }
        }
        let child = command
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start_failed)?;
        let group = Group::of(&child);
        let whole = to_its_end(child, program.stdin, program.leaves, group);
        match tokio::time::timeout(deadline, whole).await {
            Ok(finished) => {
                finished.map_err(start_failed)?.ok_or(ExecError::Flooded { program: name })
            }
            Err(_) => Err(ExecError::TimedOut {
                program: name.clone(),
                deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

/// None: it wrote more than is read.
#[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
async fn to_its_end(
    mut child: tokio::process::Child,
    input: Vec<u8>,
    leaves: Leaves,
    group: Group,
) -> io::Result<Option<Finished>> {
    let stdin = child.stdin.take();
    let mut stdout = Output::of(child.stdout.take());
    let mut stderr = Output::of(child.stderr.take());
    let feed = async move {
        if let Some(mut pipe) = stdin {
            // A program that does not read its input has a right to that.
            let _ = pipe.write_all(&input).await;
        }
    };
    // What it leaves behind may hold its pipes open.
    let ended = async {
        let status = child.wait().await;
        match leaves {
            Leaves::Nothing => drop(group),
            Leaves::Services => group.lives_on(),
        }
        status
    };
    let ended = async { tokio::join!(feed, ended).1 };
    let status = {
        let drained = std::pin::pin!(try_join(stdout.drain(), stderr.drain()));
        match select(drained, std::pin::pin!(ended)).await {
            Either::Left((Err(Flood), _)) if leaves == Leaves::Nothing => return Ok(None),
            Either::Left((_, ended)) => ended.await?,
            Either::Right((status, drained)) => {
                let linger = match leaves {
                    Leaves::Nothing => Duration::MAX,
                    Leaves::Services => LINGER,
                };
                // What was written before the end is there to read.
                let _ = tokio::time::timeout(linger, drained).await;
                status?
            }
        }
    };
    let (code, stdout, stderr) = (status.code(), stdout.taken(leaves), stderr.taken(leaves));
    Ok(Some(Finished { code, stdout, stderr }))
}

/// For the output of a program that has ended, while somebody whom it has started holds the pipe.
const LINGER: Duration = Duration::from_millis(50);

/// Where a program in a clean environment finds others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The process group of a program, which is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Group {
    /// Nobody in it is killed.
    fn lives_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nobody may be left in it.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// There is more than is read.
struct Flood;

/// What comes out of one of a program's pipes.
struct Output<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: AsyncRead + Unpin + Send + 'static> Output<P> {
    fn of(pipe: Option<P>) -> Self {
        Self { pipe, bytes: Vec::new() }
    }

    /// Reads until nobody can write any more.
    async fn drain(&mut self) -> Result<(), Flood> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        // What came before a read error is what there is to show.
        let read = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut self.bytes).await;
        let is_full = read.is_ok_and(|read| u64::try_from(read) == Ok(OUTPUT_BYTES_MAX));
        if is_full && pipe.read_u8().await.is_ok() { Err(Flood) } else { Ok(()) }
    }

    /// What was read. A service that was left behind would be killed by writing to a pipe that nobody reads.
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the pipe, and nothing waits for it"
    )]
    fn taken(self, leaves: Leaves) -> Vec<u8> {
        if let (Some(mut pipe), Leaves::Services) = (self.pipe, leaves) {
            tokio::spawn(async move { tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await });
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, SystemClock};

    fn sh(script: &str, stdin: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            stdin: stdin.into(),
            ..Program::default()
        }
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_its_output_and_code_come_back() {
        let run =
            SystemExec.run(sh("cat; echo oops >&2; exit 3", "hello"), Duration::from_secs(20));
        let finished = run.await.unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!(finished.stdout, b"hello");
        assert_eq!(finished.stderr, b"oops\n");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_at_the_deadline() {
        let run = SystemExec.run(sh("sleep 600", ""), Duration::from_millis(50)).await;
        assert!(matches!(run, Err(ExecError::TimedOut { deadline_ms: 50, .. })));
    }

    #[tokio::test]
    async fn a_program_that_writes_without_end_is_killed_at_once_and_one_at_the_bound_is_read() {
        for script in ["yes", "yes >&2"] {
            let run = SystemExec.run(sh(script, ""), Duration::from_secs(60)).await;
            assert!(matches!(run, Err(ExecError::Flooded { .. })), "{script}: {run:?}");
        }
        let bound = format!("head -c {OUTPUT_BYTES_MAX} /dev/zero");
        let run = SystemExec.run(sh(&bound, ""), Duration::from_secs(60)).await.unwrap();
        assert_eq!(run.stdout.len(), usize::try_from(OUTPUT_BYTES_MAX).unwrap());
    }

    /// Whether the process whose id stands in the file still runs.
    fn runs(file: &std::path::Path) -> bool {
        let id = std::fs::read_to_string(file).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
        // One that nobody has waited for yet is dead all the same.
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    async fn dies(file: &std::path::Path) -> bool {
        for _ in 0..200 {
            if !runs(file) {
                return true;
            }
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn at_the_deadline_its_children_are_killed_with_it() {
        let file = std::env::temp_dir().join(format!("masakari-child-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > {}; sleep 600", file.display());
        let run = SystemExec.run(sh(&script, ""), Duration::from_millis(500)).await;
        assert!(matches!(run, Err(ExecError::TimedOut { .. })));
        assert!(dies(&file).await, "the child of the program outlives it");
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn what_it_leaves_behind_holds_nobody_up_and_is_killed() {
        let file = std::env::temp_dir().join(format!("masakari-left-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > {}; echo done", file.display());
        let run = SystemExec.run(sh(&script, ""), Duration::from_secs(20)).await.unwrap();
        assert_eq!((run.code, run.stdout), (Some(0), b"done\n".to_vec()));
        assert!(dies(&file).await, "what the program left behind outlives it");
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn a_service_that_it_was_to_start_lives_on_whatever_it_writes() {
        let file = std::env::temp_dir().join(format!("masakari-service-{}", std::process::id()));
        // It would end by its own word, and by the signal of a pipe that nobody reads.
        let service = "while echo still here; do sleep 0.02; done";
        let script = format!("({service}) & echo $! > {}; echo begun >&2", file.display());
        let program = Program { leaves: Leaves::Services, ..sh(&script, "") };
        let run = SystemExec.run(program, Duration::from_secs(20)).await.unwrap();
        assert_eq!((run.code, run.stderr), (Some(0), b"begun\n".to_vec()));
        SystemClock.sleep(Duration::from_millis(300)).await;
        assert!(runs(&file), "the service was killed with the command that started it");
        let id: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn at_the_deadline_not_even_services_live_on() {
        let file = std::env::temp_dir().join(format!("masakari-late-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > {}; sleep 600", file.display());
        let program = Program { leaves: Leaves::Services, ..sh(&script, "") };
        let run = SystemExec.run(program, Duration::from_millis(500)).await;
        assert!(matches!(run, Err(ExecError::TimedOut { .. })));
        assert!(dies(&file).await, "the child of a command that hung outlives it");
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn in_a_clean_environment_nothing_of_ours_is_found() {
        let clean = Program { environment: Environment::Clean, ..sh("/usr/bin/env; pwd", "") };
        let run = SystemExec.run(clean, Duration::from_secs(20)).await.unwrap();
        let seen = String::from_utf8(run.stdout).unwrap();
        let of_the_shell = ["PATH=", "PWD=/", "OLDPWD=/", "SHLVL=", "_=/usr/bin/env", "/"];
        for line in seen.lines() {
            assert!(of_the_shell.iter().any(|start| line.starts_with(start)), "{line}");
        }
        assert!(seen.contains(PATH), "{seen}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_says_so() {
        let run = SystemExec.run(
            Program { path: "/nowhere/at/all".into(), ..Program::default() },
            Duration::from_secs(1),
        );
        assert!(matches!(run.await, Err(ExecError::Start { .. })));
    }
}
