//! Pacemaker's and Corosync's own programs, each with a deadline: some never return when the cluster is away.

use super::{
    cib::Cib,
    crm_mon::{Cluster, Unreadable},
};
use ports::{Exec, ExecError, Program};
use std::{sync::Arc, time::Duration};

/// For Corosync, which is asked from the same machine.
const COROSYNC_DEADLINE: Duration = Duration::from_secs(5);

/// What else `crm_mon` prints, two thirds of it in a large cluster.
const UNUSED: &str = "--exclude=bans,operations,failures,tickets,attributes";
/// How it ends when it does not know an option: one before 2.0.4.
const USAGE: i32 = 64;

/// Why a tool told nothing.
#[derive(thiserror::Error, Debug)]
pub enum ToolError {
    #[error("{0}: is Pacemaker installed, and may this user run it?")]
    Run(#[from] ExecError),
    #[error("{tool}: {why}")]
    Unreadable { tool: &'static str, why: Unreadable },
    #[error("{tool} ended with code {code}: {stderr}")]
    Failed { tool: &'static str, code: i32, stderr: String },
}

/// Runs them.
#[derive(Clone, Debug)]
pub struct Tools {
    pub exec: Arc<dyn Exec>,
    /// `monitoring_timeout`
    pub deadline: Duration,
}

impl Tools {
    /// What the cluster says of itself. A cluster that is away is said so by its tool, in XML.
    pub(super) async fn cluster(&self) -> Result<Cluster, ToolError> {
        let tool = "crm_mon";
        let (text, _) = match self.run(tool, &["--output-as=xml", UNUSED]).await {
            Ok((_, USAGE)) | Err(ToolError::Failed { code: USAGE, .. }) => {
                self.run(tool, &["--output-as=xml"]).await?
            }
            asked => asked?,
        };
        Cluster::read(&text).map_err(|why| ToolError::Unreadable { tool, why })
    }

    /// How it has each node, without the history of its resources, which is long.
    pub(super) async fn states(&self) -> Result<Cib, ToolError> {
        self.cib(&["--query", "--xpath", "//node_state", "--no-children"]).await
    }

    /// Its resources, the STONITH devices among them.
    pub(super) async fn devices(&self) -> Result<Cib, ToolError> {
        self.cib(&["--query", "--scope", "resources"]).await
    }

    async fn cib(&self, words: &[&str]) -> Result<Cib, ToolError> {
        let tool = "cibadmin";
        let (text, code) = self.run(tool, words).await?;
        if text.is_empty() {
            return Err(ToolError::Failed { tool, code, stderr: "the CIB is away".into() });
        }
        Cib::read(&text).map_err(|why| ToolError::Unreadable { tool, why })
    }

    /// Whether every link of Corosync to every other node is down; none: it does not tell.
    pub(super) async fn all_links_are_down(&self) -> Option<bool> {
        let program = program("corosync-cfgtool", &["-s"]);
        let finished = self.exec.run(program, COROSYNC_DEADLINE).await.ok()?;
        links_are_down(&String::from_utf8_lossy(&finished.stdout))
    }

    /// Whether Corosync has quorum, by its own word; none: it does not tell.
    pub(super) async fn is_quorate(&self) -> Option<bool> {
        let program = program("corosync-quorumtool", &["-s"]);
        let finished = self.exec.run(program, COROSYNC_DEADLINE).await.ok()?;
        quorate(&String::from_utf8_lossy(&finished.stdout))
    }

    async fn run(&self, tool: &'static str, words: &[&str]) -> Result<(String, i32), ToolError> {
        let finished = self.exec.run(program(tool, words), self.deadline).await?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let code = finished.code.unwrap_or(-1);
        if text.trim().is_empty() && code != 0 {
            let stderr = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
            return Err(ToolError::Failed { tool, code, stderr });
        }
        Ok((text, code))
    }
}

fn program(tool: &str, words: &[&str]) -> Program {
    let arguments = words.iter().map(Into::into).collect();
    Program { path: tool.into(), arguments, ..Program::default() }
}

/// `corosync-cfgtool -s` has one line for each other node of each link: `nodeid: 2: connected`.
fn links_are_down(text: &str) -> Option<bool> {
    let states = text.lines().filter_map(|line| {
        let (nodeid, state) = line.trim().strip_prefix("nodeid:")?.split_once(':')?;
        nodeid.trim().parse::<u32>().ok()?;
        Some(state.trim())
    });
    let others: Vec<&str> = states.filter(|state| *state != "localhost").collect();
    (!others.is_empty()).then(|| others.iter().all(|state| state.starts_with("disconnected")))
}

/// `corosync-quorumtool -s` has one line `Quorate: Yes` or `No`.
fn quorate(text: &str) -> Option<bool> {
    let words = text.lines().find_map(|line| line.strip_prefix("Quorate:"))?;
    match words.trim() {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{links_are_down, quorate};

    /// As Corosync 3.1 prints it.
    fn printed(states: &[&str]) -> String {
        let lines = states
            .iter()
            .enumerate()
            .map(|(n, state)| format!("\t\tnodeid: {:>2}:\t{state}\n", n + 1));
        format!(
            "Local node ID 1, transport knet\nLINK ID 0 udp\n\taddr\t= 10.77.0.11\n\tstatus:\n{}",
            lines.collect::<String>()
        )
    }

    #[test]
    fn one_link_that_is_up_is_enough_and_what_is_not_understood_tells_nothing() {
        for (states, expected) in [
            (&["localhost", "connected", "disconnected"][..], Some(false)),
            (&["localhost", "disconnected", "disconnected"], Some(true)),
            (&["localhost"], None),
        ] {
            assert_eq!(links_are_down(&printed(states)), expected, "{states:?}");
        }
        assert_eq!(links_are_down("Could not initialize corosync configuration API error 2"), None);
    }

    /// As Corosync 3.1 prints it.
    #[test]
    fn what_corosync_says_of_its_quorum_is_read_and_of_its_flags_nothing_is() {
        let printed = |word| {
            format!(
                "Quorum information\n------------------\nQuorum provider:  corosync_votequorum\nQuorate:          {word}\n\n\
                 Votequorum information\n----------------------\nQuorum:           2  \nFlags:            Quorate \n"
            )
        };
        assert_eq!(quorate(&printed("Yes")), Some(true));
        assert_eq!(quorate(&printed("No")), Some(false));
        assert_eq!(quorate("Cannot initialize QUORUM service"), None);
    }
}
