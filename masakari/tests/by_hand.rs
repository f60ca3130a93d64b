//! `masakari recover`, `cancel` and `retry`, as an operator uses them: the shipped program against the real
//! API and engine over real sockets, on the cloud of `masakari demo`.
#![cfg(test)]
#![cfg(feature = "demo")]

use ports::{Clock, Exec, Program, SystemClock, SystemExec};
use std::{net::TcpListener, time::Duration};

const DEADLINE: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(300);
/// A command is repeated at most so often until it says what is waited for.
const TRIES: usize = 60;

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// The exit code, and what was said.
async fn masakari(arguments: &[&str]) -> (Option<i32>, String) {
    let program = Program {
        path: env!("CARGO_BIN_EXE_masakari").into(),
        arguments: arguments.iter().map(Into::into).collect(),
        ..Program::default()
    };
    let finished = SystemExec.run(program, DEADLINE).await.unwrap();
    let said = [finished.stdout, finished.stderr].concat();
    (finished.code, String::from_utf8(said).unwrap())
}

/// Somebody with an openrc file.
struct Operator {
    auth_url: String,
}

impl Operator {
    async fn asks(&self, words: &[&str]) -> (Option<i32>, String) {
        let who = ["--os-auth-url", &self.auth_url, "--os-username", "admin"];
        let what = ["--os-password", sim::PASSWORD, "--os-project-name", "admin"];
        masakari(&[words, &who, &what].concat()).await
    }

    /// Asks until the exit code is `code` and the answer holds `part`.
    async fn hears(&self, words: &[&str], code: i32, part: &str) -> String {
        let mut last = (None, String::new());
        for _ in 0..TRIES {
            last = self.asks(words).await;
            if last.0 == Some(code) && last.1.contains(part) {
                return last.1;
            }
            SystemClock.sleep(PAUSE).await;
        }
        panic!("{words:?}: {last:?}, and not {code} with '{part}'");
    }
}

async fn uses(operator: &Operator) {
    // It lives: its recovery is held until somebody proves its death.
    let recover = ["recover", "compute-03", "--reason", "a drill"];
    let said = operator.hears(&recover, 0, "compute-03 is reported").await;
    let id = said.split(' ').find(|word| word.len() == 36).unwrap();
    operator.hears(&recover, 1, &format!("is being recovered already, by notification {id}")).await;
    operator.hears(&["retry", id], 1, "has not ended: it is new").await;
    let none = "no certificate is in force: host 'compute-03': Nova still takes it for alive";
    operator.hears(&["certificate", id], 1, none).await;
    let json = operator.hears(&["certificate", id, "-f", "json"], 1, "\"certificates\": []").await;
    assert_eq!(
        json,
        operator.hears(&["certificate", id, "--json"], 1, "\"missing\": \"host").await
    );
    let why =
        "Nova still takes compute-03 for up, and would refuse to evacuate it: host 'compute-03'";
    let said = operator.hears(&["explain", id], 0, why).await;
    assert!(said.contains("\n  $ masakari confirm-dead compute-03 --reason"), "{said}");
    operator.hears(&["explain", id, "--json"], 0, "\"is\": \"nova_takes_it_for_up\"").await;
    operator.hears(&["cancel", id, "--reason", "it was a drill"], 0, "nothing more is begun").await;
    operator.hears(&["cancel", id], 1, "has ended: it is ignored").await;
    operator.hears(&["retry", id], 0, "what failed is tried again").await;
    operator.hears(&["retry", id], 1, "has not ended: it is new").await;
    operator.hears(&["cancel", id], 0, "nothing more is begun").await;
    let said = operator.hears(&["report"], 0, "segment ").await;
    assert!(said.contains("\nthe segment is N+1 or better\n"), "{said}");
    operator.hears(&["report", "-f", "json"], 0, "\"recovery_method\": \"auto\"").await;
    operator.hears(&["report", "--segment", "nope"], 1, "there is no segment nope").await;
    let nobody = "77777777-0000-4000-8000-000000000007";
    operator.hears(&["retry", nobody], 1, "No notification with id").await;
    operator.hears(&["certificate", nobody], 1, "No notification with id").await;
}

#[tokio::test]
async fn a_host_is_reported_and_its_recovery_cancelled_and_tried_again() {
    let (port, cloud) = (free_port(), free_port());
    let operator = Operator { auth_url: format!("http://127.0.0.1:{cloud}/identity") };
    let demo = ["demo", "--once", "--port", &port, "--cloud-port", &cloud];
    tokio::select! {
        ended = masakari(&demo) => panic!("the demo ended before it was used: {ended:?}"),
        () = uses(&operator) => {}
    }
}
