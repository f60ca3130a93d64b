//! Whole climbs in virtual time, with BMCs in memory: what the deadlines, the second look and the bound on
//! hosts side by side come to.
#![cfg(test)]

use async_trait::async_trait;
use bytes::Bytes;
use fence::build::Network;
use fence::climb::Climbed;
use fence::power_on::switch_on;
use fence::secret::Secrets;
use fence::survey::survey;
use fence::{Climber, FencingFile, Life, Tools, Verdict, Witness};
use http::Method;
use ports::{Answer, Ask, Clock, Exec, ExecError, Finished, HttpClientError, Program, Transport};
use ports::{Boot, TransportError};
use recovery::evidence::{Kind, Sighting, Sign};
use recovery::{HostName, Millis};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Tokio's paused clock, so that a minute of waiting takes no time.
#[derive(Clone, Copy, Debug)]
struct Virtual(tokio::time::Instant);

#[async_trait]
impl Clock for Virtual {
    fn wall(&self) -> Millis {
        Millis(1_700_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
    fn boot(&self) -> Boot {
        Boot(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the test")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// The BMCs of a rack: one for each address, all of them Redfish.
#[derive(Debug)]
struct Rack {
    clock: Virtual,
    /// How long each takes for an answer; `None`: for ever.
    answers_after: BTreeMap<String, Option<Duration>>,
    /// How long the power takes to go after the order.
    off_after: Duration,
    off: Mutex<Vec<(String, Boot)>>,
    asked_at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl Transport for Rack {
    async fn send(&self, ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let bmc = ask.uri().host().unwrap().to_owned();
        let now = self.asked_at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        match self.answers_after.get(&bmc) {
            Some(Some(wait)) => self.clock.sleep(*wait).await,
            Some(None) => std::future::pending().await,
            None => {
                let why = "connection refused".to_owned();
                return Err(TransportError::Unreachable { to: bmc, why });
            }
        }
        self.asked_at_once.fetch_sub(1, Ordering::Relaxed);
        let mut off = self.off.lock().unwrap();
        if ask.method() == Method::POST && !String::from_utf8_lossy(ask.body()).contains("Force") {
            off.retain(|(which, _)| *which != bmc || bmc == "spare");
            return Ok(http::Response::new(Bytes::new()));
        }
        if ask.method() == Method::POST {
            off.push((bmc, self.clock.boot().plus(self.off_after)));
            return Ok(http::Response::new(Bytes::new()));
        }
        let now = self.clock.boot();
        let gone = off.iter().any(|(which, at)| *which == bmc && *at <= now);
        let power = if gone { "Off" } else { "On" };
        let page = serde_json::json!({ "UUID": "u", "PowerState": power,
            "Actions": { "#ComputerSystem.Reset": { "target": "/reset" } } });
        Ok(http::Response::new(page.to_string().into()))
    }
}

#[derive(Clone, Debug)]
struct Wires(Arc<Rack>);

impl Network for Wires {
    fn http(&self, _: Option<PathBuf>, _: bool) -> Result<Arc<dyn Transport>, HttpClientError> {
        Ok(self.0.clone())
    }
}

/// No program of the machine is there.
#[derive(Debug)]
struct Bare;

#[async_trait]
impl Exec for Bare {
    async fn run(&self, program: Program, _: Duration) -> Result<Finished, ExecError> {
        let program = program.path.to_string_lossy().into_owned();
        Err(ExecError::Start { program, source: std::io::ErrorKind::NotFound.into() })
    }
}

/// What Nova sees: nothing, or a heartbeat so long after it is asked.
#[derive(Debug)]
struct Nova {
    clock: Virtual,
    alive: bool,
}

#[async_trait]
impl Witness for Nova {
    async fn newest_sign_of_life(&self, host: &HostName) -> Life {
        self.clock.sleep(Duration::from_secs(10)).await;
        let seen = Sighting { host: host.clone(), at: self.clock.wall(), what: Sign::Heartbeat };
        Ok(self.alive.then_some(seen))
    }
}

/// Never says anything.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Witness for Silent {
    async fn newest_sign_of_life(&self, _: &HostName) -> Life {
        std::future::pending().await
    }
}

const FILE: &str = "
devices:
  key: {kind: ssh, key: /etc/masakari/id}
  bmc: {kind: redfish, address: \"{host}-bmc\", system: /s, username: u, password: {environment: BMC}, deadline: 30s}
  spare: {kind: redfish, address: spare, system: /s, username: u, password: {environment: BMC}}
  unset: {kind: redfish, address: spare, system: /s, username: u, password: {environment: NONE}}
  person: {kind: manual, say: \"pull the plug of {host}\"}
ladders:
  default: [bmc, spare, person]
  poor: [key, unset, person]
";

struct Night {
    rack: Arc<Rack>,
    climber: Climber,
    file: FencingFile,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock of the test")]
fn night_with(answers_after: &[(&str, Option<u64>)], alive: bool, off_after: Duration) -> Night {
    let clock = Virtual(tokio::time::Instant::now());
    let wait = |ms: &Option<u64>| ms.map(Duration::from_millis);
    let rack = Arc::new(Rack {
        clock,
        answers_after: answers_after.iter().map(|(n, ms)| ((*n).to_owned(), wait(ms))).collect(),
        off_after,
        off: Mutex::default(),
        asked_at_once: AtomicUsize::new(0),
        most_at_once: AtomicUsize::new(0),
    });
    let environment = BTreeMap::from([("BMC".to_owned(), "secret".to_owned())]);
    let tools = Tools {
        clock: Arc::new(clock),
        exec: Arc::new(Bare),
        network: Arc::new(Wires(rack.clone())),
        ears: Arc::new(ports::Nothing),
        secrets: Arc::new(Secrets { environment, credentials: None }),
    };
    let climber = Climber { tools, witness: Arc::new(Nova { clock, alive }) };
    Night { rack, climber, file: FencingFile::parse(Path::new("f"), FILE).unwrap() }
}

fn night(answers_after: &[(&str, Option<u64>)], alive: bool) -> Night {
    night_with(answers_after, alive, Duration::ZERO)
}

impl Night {
    async fn climb(&self, attributes: &str) -> Climbed {
        let ladder = self.file.ladder_of("c1", Some(attributes)).unwrap();
        self.climber.climb(&HostName::new("c1"), &ladder).await
    }
}

fn words(climbed: &Climbed) -> String {
    climbed.path.iter().map(|ended| ended.end.word()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_answers_proves_and_the_evidence_names_it() {
    let night = night(&[("c1-bmc", Some(200))], false);
    let climbed = night.climb("ladder:default").await;
    let evidence = climbed.evidence().unwrap();
    assert_eq!((words(&climbed).as_str(), evidence.kind), ("proven", Kind::PoweredOff));
    assert_eq!(evidence.source, "fence device bmc (redfish)");
    // Examined and ordered off, then asked: the evidence is as old as that question.
    assert_eq!(evidence.at, Millis(1_700_000_000_400));
}

#[tokio::test(start_paused = true)]
async fn before_each_order_it_is_asked_whether_it_may_still_be_given() {
    let night = night(&[("c1-bmc", None), ("spare", Some(100))], false);
    let ladder = night.file.ladder_of("c1", None).unwrap();
    let asked = AtomicUsize::new(0);
    let may = || {
        asked.fetch_add(1, Ordering::Relaxed);
        Err("it was heard".to_owned())
    };
    let climbed = night.climber.climb_while(&HostName::new("c1"), &ladder, may).await;
    assert_eq!(words(&climbed), "no-answer may-not");
    assert_eq!((asked.load(Ordering::Relaxed), climbed.evidence()), (1, None));
    assert!(night.rack.off.lock().unwrap().is_empty(), "it was ordered off all the same");
}

/// Of the two BMCs the spare one takes the order and gives no power.
#[tokio::test(start_paused = true)]
async fn power_is_given_back_by_the_first_device_that_says_so_afterwards() {
    for (bmcs, by, path) in [
        (&[("c1-bmc", Some(200)), ("spare", Some(100))][..], Some("bmc (redfish)"), "on, asked"),
        (&[("spare", Some(100))], None, "no answer"),
        (&[("c1-bmc", None), ("spare", Some(100))], None, "time was over"),
    ] {
        let night = night(bmcs, false);
        let off = |bmc: &str| (bmc.to_owned(), night.rack.clock.boot());
        night.rack.off.lock().unwrap().extend([off("c1-bmc"), off("spare")]);
        let ladder = night.file.ladder_of("c1", None).unwrap();
        let on = switch_on(&night.climber.tools, &ladder, || Ok(())).await;
        assert_eq!(on.by.as_deref(), by, "{on:?}");
        assert!(on.path[0].contains(path), "{on:?}");
        if by.is_none() {
            let [_, spare, person] = on.path.as_slice() else { panic!("{on:?}") };
            assert!(spare.contains("time was over"), "{on:?}");
            assert!(person.contains("cannot give a host power"), "{on:?}");
        }
        // 30 s and 60 s are the devices' deadlines.
        assert!(night.rack.clock.0.elapsed() <= Duration::from_secs(91));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_bmc_costs_its_deadline_and_no_more_and_the_next_rung_is_tried() {
    let night = night(&[("c1-bmc", None), ("spare", Some(100))], false);
    let climbed = night.climb("ladder:default").await;
    assert_eq!(words(&climbed), "no-answer proven");
    let second_look = Duration::from_secs(10);
    let took = night.rack.clock.0.elapsed() - second_look;
    assert!(took <= Duration::from_millis(30_400), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_is_gone_is_given_up_after_three_tries() {
    let night = night(&[("spare", Some(100))], false);
    let climbed = night.climb("ladder:default").await;
    assert_eq!(words(&climbed), "no-answer proven");
    let took = night.rack.clock.0.elapsed() - Duration::from_secs(10);
    assert!(took <= Duration::from_millis(1_400), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_on_reporting_is_not_proven_dead_by_any_bmc() {
    let night = night(&[("c1-bmc", Some(10)), ("spare", Some(10))], true);
    let climbed = night.climb("ladder:default").await;
    assert_eq!(words(&climbed), "seen-alive seen-alive needs-person");
    assert_eq!((&climbed.verdict, climbed.evidence()), (&Verdict::NotFenced, None));
}

#[tokio::test(start_paused = true)]
async fn a_second_look_that_nobody_answers_is_not_taken_for_one_that_saw_nothing() {
    let mut night = night(&[("c1-bmc", Some(200))], false);
    night.climber.witness = Arc::new(Silent);
    let climbed = night.climb("ladder:default").await;
    let Verdict::Proven { unseen: Some(why), .. } = &climbed.verdict else { panic!("{climbed:?}") };
    assert_eq!(why, "nobody answered within 15 s");
    let raw = climbed.evidence().unwrap().raw;
    assert!(raw.contains("nobody else could be asked whether it lives"), "{raw}");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_here_is_named_and_the_ladder_goes_on_to_the_person() {
    let night = night(&[], false);
    let climbed = night.climb("ladder:poor").await;
    assert_eq!(words(&climbed), "unusable unusable needs-person");
    let said = fence::verdict::path_text(&climbed.path);
    assert!(said.contains("cannot run ssh"), "{said}");
    assert!(said.contains("no variable NONE"), "{said}");
    assert!(said.ends_with("3. person (manual): pull the plug of c1"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_proof_comes_within_half_a_second_of_the_bmcs_own_time() {
    for off_after in [500, 2_000, 8_000] {
        let night = night_with(&[("c1-bmc", Some(50))], false, Duration::from_millis(off_after));
        let rack = &night.rack;
        let climbed = night.climb("redfish:bmc").await;
        assert_eq!(words(&climbed), "proven");
        let second_look = Duration::from_secs(10);
        let proven = rack.clock.boot().since(Boot(0)) - second_look;
        let off = rack.off.lock().unwrap().clone();
        assert_eq!(off.len(), 1, "one order is enough");
        let over = proven - off[0].1.since(Boot(0));
        assert!(over <= Duration::from_millis(500), "{over:?} after {off_after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_looks_at_every_rung_and_orders_nothing() {
    let night = night(&[("c1-bmc", Some(200)), ("spare", None)], true);
    let ladder = night.file.ladder_of("c1", None).unwrap();
    let found = survey(&night.climber.tools, &ladder).await;
    let said: Vec<String> = found.iter().map(|(name, what)| format!("{name}: {what}")).collect();
    assert_eq!(
        said,
        [
            "bmc (redfish): on; which machine it controls was not compared",
            "spare (redfish): no answer: it did not answer within 20 s",
            "person (manual): a person would be told what to do",
        ]
    );
    assert_eq!(found.iter().map(|(_, s)| s.is_fault()).collect::<Vec<_>>(), [false, true, false]);
    assert!(night.rack.off.lock().unwrap().is_empty(), "something was ordered off");
}

#[tokio::test(start_paused = true)]
async fn a_survey_sees_a_device_that_controls_another_machine() {
    let night = night(&[("c1-bmc", Some(200))], true);
    let mut ladder = night.file.ladder_of("c1", Some("redfish:bmc")).unwrap();
    for (recorded, could) in [("u", true), ("other", false)] {
        ladder.machine.uuid = Some(recorded.to_owned());
        let found = survey(&night.climber.tools, &ladder).await;
        assert_eq!((found[0].1.could_prove(), found[0].1.is_fault()), (could, !could));
    }
}

#[tokio::test(start_paused = true)]
async fn many_hosts_are_fenced_side_by_side_and_no_more_than_allowed() {
    let names: Vec<String> = (0..10).map(|i| format!("c{i}")).collect();
    let bmcs: Vec<String> = names.iter().map(|name| format!("{name}-bmc")).collect();
    let all: Vec<(&str, Option<u64>)> = bmcs.iter().map(|b| (b.as_str(), Some(2_000))).collect();
    let mut took = Vec::new();
    for side_by_side in [1, 10, 3] {
        let night = night(&all, false);
        let hosts: Vec<_> = names
            .iter()
            .map(|name| (HostName::new(name), night.file.ladder_of(name, None).unwrap()))
            .collect();
        let climbed = night.climber.climb_all(&hosts, side_by_side).await;
        assert_eq!(climbed.iter().filter(|c| c.evidence().is_some()).count(), 10);
        assert_eq!(night.rack.most_at_once.load(Ordering::Relaxed), side_by_side);
        took.push(night.rack.clock.0.elapsed());
    }
    let one = took[0] / 10;
    assert!(took[1] <= one * 2, "ten side by side take {:?}, one takes {one:?}", took[1]);
}
