//! The whole of it, from the report to the API.

use crate::{
    disk::Disk,
    failed,
    false_api::{Api, Mood, Taken},
    noted, report,
};
use async_trait::async_trait;
use monitor::{
    Care, Report, Reporter, Sender, SendingConfig,
    sending::{Folder, Look, Source, Spool},
};
use ports::{Clock, Entropy, SeededEntropy};
use sim::SimClock;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What becomes of a question.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Asked {
    #[default]
    Answers,
    KnowsNothing,
    NeverAnswers,
}

/// Knows which VMs run again, and whether it knows.
#[derive(Clone, Default, Debug)]
pub(crate) struct Vms(Arc<Mutex<(BTreeSet<String>, Asked)>>);

impl Vms {
    pub(crate) fn runs(&self, vm: &str) {
        self.0.lock().unwrap().0.insert(format!("VM {vm}"));
    }

    /// From now on; a question that is under way stays what it is.
    fn when_asked(&self, asked: Asked) {
        self.0.lock().unwrap().1 = asked;
    }

    fn look_now(&self, subject: &str) -> Option<Look> {
        let state = self.0.lock().unwrap();
        match (state.1, state.0.contains(subject)) {
            (Asked::NeverAnswers, _) => None,
            (Asked::KnowsNothing, _) => Some(Look::Unknown("libvirt is away".into())),
            (Asked::Answers, true) => Some(Look::Gone("the VM runs".into())),
            (Asked::Answers, false) => Some(Look::Holds),
        }
    }
}

#[async_trait]
impl Source for Vms {
    async fn look(&self, report: &Report) -> Look {
        match self.look_now(&report.subject) {
            Some(look) => look,
            None => std::future::pending().await,
        }
    }
}

/// A host with a monitor on it.
pub(crate) struct Host {
    pub(crate) clock: SimClock,
    pub(crate) api: Api,
    pub(crate) vms: Vms,
    disk: Disk,
    seed: u64,
}

impl Host {
    pub(crate) fn new() -> Self {
        let clock = SimClock::new();
        Self { clock, api: Api::new(clock), vms: Vms::default(), disk: Disk::default(), seed: 1 }
    }

    /// A new process on the same disk.
    fn monitor(&self) -> (Reporter, Sender) {
        let chance: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(self.seed));
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        let client = self.api.client(&chance);
        let spool = Spool::new(Arc::new(self.disk.clone()), "boot".into());
        let config = SendingConfig::of_python(12, Duration::from_secs(10));
        let vms = Arc::new(self.vms.clone());
        Sender::new(&config, Some(spool), client, vms, clock, chance)
    }

    /// Runs a monitor for `seconds` while `happens`, and kills it.
    pub(crate) async fn run_for(&self, seconds: u64, happens: impl AsyncFnOnce(&Reporter)) {
        let (reporter, sender) = self.monitor();
        let end = self.clock.sleep(Duration::from_secs(seconds));
        let story = async {
            happens(&reporter).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = story => {}
            () = end => {}
        }
    }

    /// Of whom and what the API took: `vm1 STOPPED_FAILED`.
    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.api.taken();
        let told = |taken: &Taken| {
            format!("{} {}", taken.word("instance_uuid"), taken.word("vir_domain_event"))
        };
        taken.iter().map(told).collect()
    }

    /// What waits on the disk.
    pub(crate) fn waits(&self) -> usize {
        self.disk.names().unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_arrives_at_once_in_pythons_words_and_leaves_nothing_behind() {
    let host = Host::new();
    host.run_for(1, async |monitor| monitor.report(failed("vm1")).await).await;
    assert_eq!(host.api.asked_at(), [2]);
    // As Python's instancemonitor writes it, but for the values.
    let expected = serde_json::json!({
        "type": "VM", "hostname": "cmp1", "generated_time": "2025-11-21T08:00:00.000000",
        "payload": { "event": "LIFECYCLE", "instance_uuid": "vm1", "vir_domain_event": "STOPPED_FAILED" },
    });
    assert_eq!(host.api.taken()[0].report, expected);
    assert_eq!(host.waits(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_for_half_an_hour_gets_what_still_holds_then_and_nothing_else() {
    let host = Host::new();
    host.api.is(Mood::Away);
    let story = async |monitor: &Reporter| {
        for vm in 0..100 {
            monitor.report(failed(&format!("vm{vm}"))).await;
            host.clock.sleep(Duration::from_secs(10)).await;
        }
        host.clock.sleep(Duration::from_secs(800)).await;
        for vm in (0..100).filter(|vm| vm % 4 == 0) {
            host.vms.runs(&format!("vm{vm}"));
        }
        let asked = host.api.asked_at().len();
        assert!(asked < 1_000, "{asked} questions to an API that is away");
        host.api.is(Mood::Well);
    };
    host.run_for(1_800 + 60, story).await;
    let mut expected: Vec<_> =
        (0..100).filter(|vm| vm % 4 != 0).map(|vm| format!("vm{vm} STOPPED_FAILED")).collect();
    let mut taken = host.taken();
    expected.sort();
    taken.sort();
    assert_eq!(taken, expected);
    assert_eq!(host.waits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_killed_again_and_again_loses_nothing_that_holds() {
    for seed in 1..=30 {
        let host = Host { seed, ..Host::new() };
        let chance = SeededEntropy::new(seed);
        host.api.is(Mood::Away);
        for life in 0..5 {
            let story = async |monitor: &Reporter| {
                for vm in 0..4 {
                    monitor.report(failed(&format!("vm{life}{vm}"))).await;
                    // Long enough for a report to be seen and written.
                    host.clock.sleep(Duration::from_millis(1 + chance.bits() % 3_000)).await;
                }
            };
            host.run_for(1 + chance.bits() % 60, story).await;
            if chance.bits().is_multiple_of(3) {
                host.vms.runs(&format!("vm{life}0"));
            }
        }
        let waited: Vec<_> = Spool::new(Arc::new(host.disk.clone()), "boot".into()).kept().unwrap();
        assert!(waited.len() >= 5, "seed {seed}: {}", waited.len());
        host.api.is(Mood::Well);
        host.run_for(120, async |_| {}).await;
        let runs = host.vms.0.lock().unwrap().0.clone();
        let held: Vec<_> = waited.iter().filter(|(_, r)| !runs.contains(&r.subject)).collect();
        assert_eq!(host.taken().len(), held.len(), "seed {seed}");
        assert_eq!(host.waits(), 0, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_api_has_or_will_never_take_is_not_sent_again() {
    for status in [400, 409] {
        let host = Host::new();
        host.api.is(Mood::Status(status));
        host.run_for(600, async |monitor| monitor.report(failed("vm1")).await).await;
        assert_eq!(host.api.asked_at().len(), 1, "{status}");
        assert_eq!(host.waits(), 0, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_else_it_answers_is_an_outage() {
    for mood in
        [401, 403, 404, 413, 429, 500, 502, 503].map(Mood::Status).into_iter().chain([Mood::Silent])
    {
        let host = Host::new();
        host.api.is(mood);
        let story = async |monitor: &Reporter| {
            monitor.report(failed("vm1")).await;
            host.clock.sleep(Duration::from_secs(300)).await;
            assert_eq!(host.waits(), 1, "{mood:?}");
            host.api.is(Mood::Well);
        };
        host.run_for(400, story).await;
        assert_eq!(host.taken(), ["vm1 STOPPED_FAILED"], "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_the_api_chokes_on_is_in_nobodys_way() {
    let host = Host::new();
    host.api.chokes_on("vm1", 500);
    let story = async |monitor: &Reporter| {
        monitor.report(failed("vm1")).await;
        for vm in 2..60 {
            host.clock.sleep(Duration::from_secs(10)).await;
            monitor.report(failed(&format!("vm{vm}"))).await;
            host.clock.sleep(Duration::from_millis(50)).await;
            assert_eq!(host.taken().len(), vm - 1, "it is not even late");
        }
    };
    host.run_for(640, story).await;
    assert_eq!(host.taken().len(), 58);
    assert_eq!(host.waits(), 1);
}

#[tokio::test(start_paused = true)]
async fn reports_about_one_vm_arrive_in_their_order() {
    let host = Host::new();
    host.api.is(Mood::Status(503));
    let details: Vec<_> = (0..20).map(|nth| format!("{nth}")).collect();
    let story = async |monitor: &Reporter| {
        for detail in &details {
            monitor.report(report("vm1", detail, Care::UntilAnswered)).await;
        }
        host.clock.sleep(Duration::from_secs(60)).await;
        host.api.is(Mood::Well);
    };
    host.run_for(300, story).await;
    let expected: Vec<_> = details.iter().map(|detail| format!("vm1 {detail}")).collect();
    assert_eq!(host.taken(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_masakari_only_notes_is_given_up_after_pythons_retries() {
    let host = Host::new();
    host.api.is(Mood::Away);
    let story = async |monitor: &Reporter| {
        monitor.report(noted("vm1")).await;
        monitor.report(failed("vm2")).await;
        host.clock.sleep(Duration::from_secs(180)).await;
        assert_eq!(host.waits(), 1);
        host.api.is(Mood::Well);
    };
    host.run_for(240, story).await;
    assert_eq!(host.taken(), ["vm2 STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_tell_is_waited_for() {
    let host = Host::new();
    host.api.is(Mood::Away);
    host.run_for(60, async |monitor| monitor.report(failed("vm1")).await).await;
    host.api.is(Mood::Well);
    host.vms.when_asked(Asked::KnowsNothing);
    let story = async |_: &Reporter| {
        host.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(host.taken(), Vec::<String>::new());
        host.vms.when_asked(Asked::Answers);
    };
    host.run_for(660, story).await;
    assert_eq!(host.taken(), ["vm1 STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_never_answered_is_asked_again_and_keeps_no_report_waiting_for_ever() {
    let host = Host::new();
    host.api.is(Mood::Away);
    // More than may be under way at once.
    let vms: Vec<_> = (0..10).map(|vm| format!("vm{vm}")).collect();
    let story = async |monitor: &Reporter| {
        for vm in &vms {
            monitor.report(failed(vm)).await;
        }
    };
    host.run_for(60, story).await;
    host.api.is(Mood::Well);
    host.vms.when_asked(Asked::NeverAnswers);
    let story = async |monitor: &Reporter| {
        host.clock.sleep(Duration::from_secs(5)).await;
        host.vms.when_asked(Asked::Answers);
        monitor.report(failed("vm10")).await;
        host.clock.sleep(Duration::from_secs(20)).await;
        assert_eq!(host.taken(), Vec::<String>::new(), "all places are taken");
    };
    host.run_for(60, story).await;
    let mut taken = host.taken();
    taken.sort();
    let mut expected: Vec<_> = (0..=10).map(|vm| format!("vm{vm} STOPPED_FAILED")).collect();
    expected.sort();
    assert_eq!((taken, host.waits()), (expected, 0));
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_asked_to_stop_writes_down_what_it_has() {
    let host = Host::new();
    host.api.is(Mood::Away);
    let (reporter, sender) = host.monitor();
    for vm in 0..50 {
        reporter.report(failed(&format!("vm{vm}"))).await;
    }
    sender.run(std::future::ready(())).await;
    assert_eq!(host.waits(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_keeps_no_report_from_the_api() {
    let host = Host::new();
    host.disk.cut_after(0);
    host.run_for(5, async |monitor| monitor.report(failed("vm1")).await).await;
    assert_eq!(host.taken(), ["vm1 STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_finds_what_it_kept() {
    let host = Host::new();
    host.api.is(Mood::Away);
    host.run_for(5, async |monitor| monitor.report(failed("vm1")).await).await;
    let host = Host { disk: host.disk.after_a_kill(), ..host };
    host.api.is(Mood::Well);
    host.run_for(5, async |_| {}).await;
    assert_eq!(host.taken(), ["vm1 STOPPED_FAILED"]);
}
