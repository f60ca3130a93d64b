//! Runs a program of the machine to its end, within a deadline.

use async_trait::async_trait;
use std::{ffi::OsString, fmt::Debug, process::Stdio, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// More output than this is not read: a program that floods us is stopped by its full pipe.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;

/// What to run. Secrets go by `stdin`, never by `arguments`, which every user of the machine sees.
#[derive(Clone, Default, Debug)]
pub struct Program {
    pub path: OsString,
    pub arguments: Vec<OsString>,
    pub stdin: Vec<u8>,
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
}

/// Runs programs.
#[async_trait]
pub trait Exec: Send + Sync + Debug {
    /// Runs `program` to its end; it is killed at the deadline.
    ///
    /// # Errors
    /// When it could not be started or did not end in time. A failing exit code is an `Ok`.
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
        let mut child = tokio::process::Command::new(&program.path)
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start_failed)?;
        let whole = async {
            let (stdin, stdout, stderr) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let feed = async move {
                if let Some(mut pipe) = stdin {
                    // A program that does not read its input has a right to that.
                    let _ = pipe.write_all(&program.stdin).await;
                }
            };
            let ((), stdout, stderr) = tokio::join!(feed, drain(stdout), drain(stderr));
            let status = child.wait().await?;
            Ok(Finished { code: status.code(), stdout, stderr })
        };
        match tokio::time::timeout(deadline, whole).await {
            Ok(finished) => finished.map_err(start_failed),
            Err(_) => Err(ExecError::TimedOut {
                program: name.clone(),
                deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

async fn drain(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    let mut output = Vec::new();
    if let Some(pipe) = pipe {
        // What came before a read error is what there is to show.
        let _ = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut output).await;
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, stdin: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            stdin: stdin.into(),
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
    async fn a_program_that_is_not_there_says_so() {
        let run = SystemExec.run(
            Program { path: "/nowhere/at/all".into(), ..Program::default() },
            Duration::from_secs(1),
        );
        assert!(matches!(run.await, Err(ExecError::Start { .. })));
    }
}
