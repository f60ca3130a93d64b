//! Runs the operator's own steps: a program of this machine, or a webhook.
//!
//! Which step is due is judged in `recovery::steps`; here is what a step does. A program gets the facts as JSON
//! on its standard input, in a clean environment, and is killed with its children at its deadline; a
//! webhook gets the same as its body. Both may be asked twice for one attempt (an engine died meanwhile):
//! the `key` in the facts is then the same.

use crate::{
    Engine,
    error::{ActFailed, Stop},
    journal::{Journal, Stopping},
    sight::Sight,
    turn::{WIND_UP, chain},
};
use openstack::Secret;
use ports::{Ask, Environment, Program};
use recovery::{
    NotificationId,
    fold::Fold,
    lease::Lease,
    log::{Entry, Line},
    nouns::RecoveryMethod,
    state::{Stage, State, Subject},
    steps::{Flow, Place, Run, StepEntry, Then},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How long after a failure a step is run again.
const RETRY_MS: i64 = 10_000;
/// How much of an answer is kept: it stands in the log and in what clients read.
const SAID_CHARS_MOST: usize = 500;
/// How often it is looked whether the lease is still ours while a step runs.
const LEASE_EVERY: Duration = Duration::from_secs(1);

/// The operator's steps, and where they run.
#[derive(Clone, Debug)]
pub struct Steps {
    /// For hosts of segments whose first way is Nova's scheduler.
    pub auto: Flow,
    /// For those whose first way is a reserved host.
    pub reserved: Flow,
    pub server: Flow,
    pub process: Flow,
    /// By name.
    pub declared: BTreeMap<String, Declared>,
    /// How often a step is run before its failure counts.
    pub attempts: u32,
}

impl Default for Steps {
    fn default() -> Self {
        let usual = Flow::default;
        Self {
            auto: usual(),
            reserved: usual(),
            server: usual(),
            process: usual(),
            declared: BTreeMap::new(),
            attempts: 2,
        }
    }
}

/// A step.
#[derive(Clone, Debug)]
pub struct Declared {
    pub does: Does,
    pub deadline: Duration,
    /// The recovery goes on without it.
    pub may_fail: bool,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Does {
    Nothing,
    /// Runs it, without arguments.
    Program(PathBuf),
    Webhook(Webhook),
}

/// Where the facts are posted.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: http::Uri,
    secret: Option<Secret>,
}

impl Webhook {
    /// `secret`: the key of the signature in `X-Masakari-Signature`. `None`: that is no URL of a web server.
    #[must_use]
    pub fn new(url: &str, secret: Option<Secret>) -> Option<Self> {
        let url: http::Uri = url.parse().ok()?;
        let web = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        web.then_some(Self { url, secret })
    }
}

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the beginning of what it said.
    Well(String),
    Badly(String),
    /// Our lease was over before it began, or a person had disarmed.
    NotBegun,
}

impl Engine {
    /// The line that says what an operator wants otherwise than usual, at the beginning of a host's recovery.
    pub(crate) fn flow_of_host(&self, method: RecoveryMethod) -> Option<Entry> {
        let config = self.config();
        let flow = match method {
            RecoveryMethod::Auto | RecoveryMethod::AutoPriority => &config.steps.auto,
            RecoveryMethod::ReservedHost | RecoveryMethod::RhPriority => &config.steps.reserved,
        };
        line_of(flow)
    }

    /// The claim, and with the first one what the operator wants otherwise than usual.
    pub(crate) fn opening(claim: Entry, log: &[Line], flow: &Flow) -> Vec<Entry> {
        let flow = line_of(flow).filter(|_| log.is_empty());
        [claim].into_iter().chain(flow).collect()
    }

    /// Does what the step is declared to do. `sight`: of the host that has to be dead until all its servers have moved.
    pub(crate) async fn run_step(
        &self,
        lease: &Lease,
        run: &Run,
        sight: Option<&Sight>,
        facts: Value,
    ) -> Ended {
        if let Err(why) = self.may_run(lease, run.place, sight).await {
            tracing::warn!(step = run.step, recovery = %lease.key, why = chain(&why), "step not begun");
            return Ended::NotBegun;
        }
        let config = self.config();
        let Some(declared) = config.steps.declared.get(&run.step) else {
            let why = "this engine's configuration does not declare it ([recovery_steps] step)";
            return Ended::Badly(why.into());
        };
        tracing::info!(step = run.step, attempt = run.attempt, recovery = %lease.key, "step begins");
        let done = match &declared.does {
            Does::Nothing => Ok(String::new()),
            Does::Program(path) => self.run_program(path, declared.deadline, &facts).await,
            Does::Webhook(webhook) => self.post(webhook, declared.deadline, &facts).await,
        };
        match done {
            Ok(said) => Ended::Well(said),
            Err(why) => {
                tracing::warn!(step = run.step, attempt = run.attempt, why, "step failed");
                Ended::Badly(why)
            }
        }
    }

    /// Its beginning is in the log, and that may have taken a while. What comes when all servers have moved is done to its
    /// end as they are, whatever a person has switched off meanwhile.
    async fn may_run(
        &self,
        lease: &Lease,
        place: Place,
        sight: Option<&Sight>,
    ) -> Result<(), ActFailed> {
        match (place, sight) {
            (Place::First | Place::Second | Place::Third, Some(sight)) => {
                self.may_go_on(lease, sight).await
            }
            (Place::First | Place::Second | Place::Third, None) => self.may_begin(lease),
            (Place::End, _) => self.allowed(lease),
        }
    }

    async fn run_program(
        &self,
        path: &std::path::Path,
        deadline: Duration,
        facts: &Value,
    ) -> Result<String, String> {
        let program = Program {
            path: path.into(),
            arguments: Vec::new(),
            stdin: facts.to_string().into_bytes(),
            environment: Environment::Clean,
            ..Program::default()
        };
        let finished =
            self.ports.exec.run(program, deadline).await.map_err(|failed| chain(&failed))?;
        let how = match finished.code {
            Some(0) => return Ok(beginning(&finished.stdout)),
            Some(code) => format!("exit code {code}"),
            None => "a signal".into(),
        };
        let said = if finished.stderr.is_empty() { &finished.stdout } else { &finished.stderr };
        Err(with(format!("{} ended with {how}", path.display()), &beginning(said)))
    }

    async fn post(
        &self,
        webhook: &Webhook,
        deadline: Duration,
        facts: &Value,
    ) -> Result<String, String> {
        let ask = signed(webhook, facts)?;
        let answer = self.ports.web.send(ask, deadline).await.map_err(|failed| chain(&failed))?;
        let said = beginning(answer.body());
        if answer.status().is_success() {
            return Ok(said);
        }
        Err(with(format!("the webhook answered {}", answer.status()), &said))
    }

    /// The line about a step that has ended; none when it was not begun.
    pub(crate) fn step_ended(&self, run: &Run, ended: Ended) -> Option<Entry> {
        let step = run.step.clone();
        let config = self.config();
        let entry = match ended {
            Ended::NotBegun => return None,
            Ended::Well(said) => StepEntry::Succeeded { step, said },
            Ended::Badly(why) => {
                let may_fail = config.steps.declared.get(&step).is_some_and(|d| d.may_fail);
                let then = if run.attempt < config.steps.attempts {
                    Then::Again { at: self.now().plus(RETRY_MS) }
                } else if may_fail {
                    Then::GoesOn
                } else {
                    Then::Ends
                };
                StepEntry::Failed { step, why, then }
            }
        };
        Some(Entry::Step(entry))
    }
}

impl<S: Fold> Journal<'_, S> {
    /// Runs a step between its two lines; it is ended when the lease is lost.
    pub(crate) async fn run_step(
        &mut self,
        run: &Run,
        more: Value,
        stopping: Stopping<'_>,
    ) -> Result<(), Stop> {
        self.record(vec![begun(run)]).await?;
        let (engine, lease) = (self.engine, self.lease.clone());
        let too_long = async {
            stopping.await;
            engine.ports.clock.sleep(WIND_UP).await;
        };
        let lost = async {
            while !engine.tenures.is_over(&lease, engine.ports.clock.boot()) {
                engine.ports.clock.sleep(LEASE_EVERY).await;
            }
        };
        let facts = facts(&self.subject, run, more);
        let ended = tokio::select! {
            biased;
            ended = engine.run_step(&lease, run, None, facts) => ended,
            () = too_long => return Err(Stop::Shutdown),
            () = lost => return Err(Stop::LeaseLost { key: lease.key.clone() }),
        };
        match engine.step_ended(run, ended) {
            Some(line) => self.record(vec![line]).await,
            None => self.still_ours(),
        }
    }
}

/// The line before a step.
pub(crate) fn begun(run: &Run) -> Entry {
    Entry::Step(StepEntry::Begun { step: run.step.clone(), attempt: run.attempt })
}

fn line_of(flow: &Flow) -> Option<Entry> {
    (!flow.is_usual()).then(|| Entry::Step(StepEntry::Flow { flow: flow.clone() }))
}

/// What every step is told, and `more`.
pub(crate) fn facts(subject: &Subject, run: &Run, more: Value) -> Value {
    let Subject { notification, host_id, host } = subject;
    let mut facts = json!({
        "recovery": notification.as_str(),
        "step": run.step,
        "place": run.place,
        "attempt": run.attempt,
        "key": key(notification, run),
        "host": host.as_str(),
        "host_id": host_id.as_str(),
    });
    if let (Some(facts), Value::Object(more)) = (facts.as_object_mut(), more) {
        facts.extend(more);
    }
    facts
}

/// The same for every run of one attempt.
fn key(recovery: &NotificationId, run: &Run) -> String {
    format!("{recovery}/{}/{}", run.step, run.attempt)
}

/// What the steps of a host's recovery are told besides.
pub(crate) fn facts_of_host(state: &State) -> Value {
    let servers = state.order.iter().filter_map(|id| state.moves.get(id)).map(|m| {
        let (is, host) = match &m.stage {
            Stage::Waiting { .. } => ("waiting", None),
            Stage::Asking { .. } | Stage::Moving { .. } => ("moving", None),
            Stage::Arrived { host, .. } | Stage::Stopping { host, .. } => ("arrived", Some(host)),
            Stage::Settling { outcome, .. } | Stage::Ended { outcome } => outcome_of(outcome),
        };
        let p = &m.planned;
        json!({
            "id": p.server.as_str(),
            "name": p.name,
            "vm_state": p.vm_state.to_string(),
            "ha_enabled": p.ha_enabled,
            "move": is,
            "to": host.map(recovery::HostName::as_str),
        })
    });
    json!({
        "failure": "host",
        "method": state.ways.method,
        "proven_by": state.proven.map(|kind| kind.to_string()),
        "servers": servers.collect::<Vec<_>>(),
    })
}

fn outcome_of(outcome: &recovery::state::Outcome) -> (&'static str, Option<&recovery::HostName>) {
    use recovery::state::Outcome;
    match outcome {
        Outcome::Succeeded { host } => ("succeeded", Some(host)),
        Outcome::Failed { host, .. } => ("failed", host.as_ref()),
        Outcome::Ignored { .. } => ("ignored", None),
    }
}

fn signed(webhook: &Webhook, facts: &Value) -> Result<Ask, String> {
    let body = facts.to_string();
    let key = facts.get("key").and_then(Value::as_str).unwrap_or_default();
    let mut ask = http::Request::post(&webhook.url)
        .header("content-type", "application/json")
        .header("idempotency-key", key);
    if let Some(secret) = &webhook.secret {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.expose().as_bytes());
        let tag = ring::hmac::sign(&key, body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        ask = ask.header("x-masakari-signature", format!("sha256={hex}"));
    }
    ask.body(body.into()).map_err(|wrong| format!("the request cannot be made: {wrong}"))
}

/// In one line, as far as anybody reads it.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain: String = text
        .trim()
        .chars()
        .take(SAID_CHARS_MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.trim().chars().nth(SAID_CHARS_MOST).is_some() { format!("{plain}…") } else { plain }
}

fn with(what: String, said: &str) -> String {
    if said.is_empty() { what } else { format!("{what}: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn run() -> Run {
        Run { step: "tell".into(), place: Place::First, attempt: 2 }
    }

    #[test]
    fn the_key_is_the_same_for_each_run_of_one_attempt() {
        let subject = Subject::unknown(&NotificationId::new("n-1"));
        let facts = facts(&subject, &run(), json!({ "failure": "host" }));
        assert_eq!(facts["key"], "n-1/tell/2");
        assert_eq!((&facts["place"], &facts["failure"]), (&json!("first"), &json!("host")));
    }

    /// The right side is what `openssl dgst -sha256 -hmac` says.
    #[test]
    fn a_webhook_with_a_secret_is_signed() {
        let webhook =
            Webhook::new("https://example.org/hook", Some(Secret::new("s3cret"))).unwrap();
        let ask = signed(&webhook, &json!({ "key": "a/b/1" })).unwrap();
        assert_eq!(ask.body().as_ref(), br#"{"key":"a/b/1"}"#);
        assert_eq!(ask.headers()["idempotency-key"], "a/b/1");
        assert_eq!(
            ask.headers()["x-masakari-signature"],
            "sha256=2478bf819faf73c250b687e2ce17decd99801e998fd9c9402212a42be147e1b0"
        );
    }

    #[test]
    fn only_urls_of_web_servers_are_webhooks() {
        for (url, is) in [
            ("http://127.0.0.1:1/x?y=z", true),
            ("https://example.org", true),
            ("ftp://example.org/x", false),
            ("/path", false),
            ("example.org", false),
        ] {
            assert_eq!(Webhook::new(url, None).is_some(), is, "{url}");
        }
    }

    #[test]
    fn an_answer_is_kept_in_one_short_line() {
        assert_eq!(beginning(b" two\nlines\x1b[1m \n"), "two lines [1m");
        let long = beginning("x".repeat(2_000).as_bytes());
        assert_eq!(long.chars().count(), SAID_CHARS_MOST + 1);
    }
}
