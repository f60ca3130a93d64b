//! Why a recovery failed or stands still, in the words that are printed.

use crate::words::{Log, host, id, planned};
use recovery::{
    NotificationId,
    explain::{Case, Cause, Explanation, Over, explain, words},
    fencing::{FenceEntry, Hurdle},
    guard::{self, GuardEntry},
    hand::HandEntry,
    log::{Act, Entry, Planned, Reset, Skipped},
    nouns::{NotificationStatus, NotificationType},
    permit::{Lack, Lacks, LadderIs},
    shortage::{Resource, Tie},
};

const EXCLUDED: &str = "No valid host was found: compute02 has room, but the scheduler's rules (zones, traits, groups, \
                        filters) exclude it";

fn explained(log: &Log, status: NotificationStatus) -> Explanation {
    let message = log.state.ended.as_ref().and_then(|(_, message)| message.as_deref());
    explain(&Case {
        notification: &NotificationId::new("n1"),
        kind: NotificationType::ComputeHost,
        status,
        message,
        host: &host("dead"),
        on_maintenance: false,
        lines: &log.lines,
    })
}

/// What is printed under the head.
fn printed(log: &Log, status: NotificationStatus) -> String {
    let text = explained(log, status).to_string();
    let head = format!("host dead, notification n1 ({status})\n\n");
    text.strip_prefix(&head).unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn ended(log: Log, status: NotificationStatus, message: Option<&str>) -> Log {
    log.says(9, Entry::Ended { status, message: message.map(Into::into) })
}

/// A recovery of two servers of which one did not move, for that reason.
fn failed(why: &str) -> Log {
    let not_moved = Entry::NotMoved {
        server: id("a"),
        why: why.into(),
        again_at: None,
        reset: Reset::NotNeeded,
    };
    let log =
        Log::planned(&[planned("a"), planned("b")]).moves(1, "b").intends(2, Act::Evacuate, "a");
    let log = log.did(3, Act::Evacuate, "a").says(4, not_moved).did(5, Act::Settle, "a");
    ended(log, NotificationStatus::Failed, Some("1 of 2 servers were not recovered"))
}

fn held(what: Lacks, ladder: LadderIs, why: &str) -> Entry {
    Entry::Held { why: why.into(), sighting: None, lack: Some(Lack { what, ladder }) }
}

fn claimed() -> Log {
    Log::default().says(0, Entry::Claimed { owner: "e".into(), generation: 1 })
}

fn not_fenced(hurdles: &[Hurdle]) -> Log {
    let failed = FenceEntry::Failed {
        path: vec!["bmc: …".into()],
        why: None,
        again_at: None,
        hurdles: hurdles.to_vec(),
    };
    claimed()
        .says(1, Entry::Fence(FenceEntry::Begun { attempt: 1, rungs: vec!["bmc".into()] }))
        .says(2, Entry::Fence(failed))
        .says(2, held(Lacks::Strength, LadderIs::There, "it could not be fenced"))
}

fn prints(log: &Log, status: NotificationStatus, expected: &str) {
    assert_eq!(printed(log, status), expected);
}

#[test]
fn why_a_server_did_not_move_is_printed_with_what_to_type() {
    let server = "  1 server: a\n";
    let retry = "  $ masakari retry n1\n";
    for (why, sentence, commands) in [
        (
            "No valid host was found: not enough RAM on compute02 (9 MB RAM needed)",
            "no host has enough RAM",
            "  $ openstack hypervisor list --long\n",
        ),
        (
            &format!("{EXCLUDED}; it wants the trait CUSTOM_X"),
            "no other host has the trait that its flavor requires",
            "  $ openstack server show a\n",
        ),
        (
            &format!("{EXCLUDED}; it is in a server group with the policy anti-affinity"),
            "the (anti-)affinity of its server group excludes the hosts that have room",
            "  $ openstack server show a\n  $ openstack server group list --all-projects\n",
        ),
        (
            &format!("{EXCLUDED}; it is pinned to availability zone az1"),
            "no host of the availability zone to which it is pinned can take it",
            "  $ openstack server show a\n  $ openstack availability zone list --compute --long\n",
        ),
        (
            EXCLUDED,
            "hosts have room, and rules of Nova's scheduler exclude them",
            "  $ openstack server show a\n",
        ),
        (
            "on compute02: Insufficient compute resources: Claim pci failed.",
            "no other host has the device (PCI passthrough, accelerator) that it needs",
            "  $ openstack server show a\n",
        ),
        (
            "on compute02: Volume v1 could not be attached. Reason: x",
            "Nova failed over a volume of it",
            "  $ openstack server event list a\n  $ openstack server show a\n",
        ),
    ] {
        let expected = format!("{sentence}: {why}\n{server}{commands}{retry}");
        prints(&failed(why), NotificationStatus::Failed, &expected);
    }
    let may_run = format!("{}compute02, which lost touch with Nova", words::MAY_RUN);
    prints(
        &failed(&may_run),
        NotificationStatus::Failed,
        &format!(
            "the host to which it was on its way before may run it: make sure there that it does not: {may_run}\n\
             {server}  $ openstack server event list a\n  $ virsh list --all  # there\n"
        ),
    );
}

#[test]
fn why_a_host_is_held_is_printed_with_what_to_type() {
    let confirm = "  $ masakari confirm-dead dead --reason \"...\"\n";
    let service = "  $ openstack compute service list --host dead\n";
    let check = "  $ masakari fence check dead\n";
    let weak =
        "only a monitor says that dead is dead, and [fencing] require = proven asks for proof";
    for (what, ladder, expected) in [
        (Lacks::Strength, LadderIs::NoFile, format!("{weak}: why\n{confirm}")),
        (
            Lacks::Strength,
            LadderIs::None,
            format!("dead has no fence device: why\n{check}{confirm}\n{weak}: why\n{confirm}"),
        ),
        (
            Lacks::NovasWord,
            LadderIs::NoFile,
            format!(
                "Nova still takes dead for up, and would refuse to evacuate it: why\n{service}{confirm}"
            ),
        ),
        (
            Lacks::Silence,
            LadderIs::There,
            format!(
                "dead shows a sign of life newer than the proof of its death: why\n{service}  \
                 $ masakari cancel n1 --reason \"...\"\n{confirm}"
            ),
        ),
        (
            Lacks::Evidence,
            LadderIs::NoFile,
            format!("nothing says that dead is dead: why\n{confirm}"),
        ),
    ] {
        let log = claimed().says(1, held(what, ladder, "why"));
        prints(&log, NotificationStatus::New, &expected);
    }
    let expected = |sentence: &str| {
        let why = "it could not be fenced";
        format!("{sentence}: {why}\n{check}{confirm}\n{weak}: {why}\n{confirm}")
    };
    let fenced = |hurdles: &[Hurdle], sentence: &str| {
        prints(&not_fenced(hurdles), NotificationStatus::New, &expected(sentence));
    };
    fenced(
        &[Hurdle::WrongCredentials, Hurdle::NeedsPerson],
        "a fence device of dead does not take our credentials",
    );
    fenced(
        &[Hurdle::NoAnswer, Hurdle::WrongMachine],
        "a fence device of dead controls another machine than recorded",
    );
    fenced(&[Hurdle::NoAnswer], "a fence device of dead does not answer");
    fenced(
        &[Hurdle::NoAnswer, Hurdle::SeenAlive],
        "a fence device says that dead is off, and dead was heard after that: do not trust it",
    );
}

/// Whatever was missing before.
#[test]
fn what_the_guard_holds_is_told_as_that() {
    let entry = GuardEntry::Held { cause: guard::Cause::Cloud, why: "12 are lost".into() };
    let log = claimed()
        .says(1, held(Lacks::NovasWord, LadderIs::NoFile, "why"))
        .says(2, Entry::Guard(entry));
    prints(
        &log,
        NotificationStatus::New,
        "too many hosts of the cloud are lost at once: 12 are lost\n  $ openstack compute service list\n  \
         $ masakari guard\n  $ masakari approve n1 --reason \"...\"\n",
    );
    let entry = GuardEntry::Held { cause: guard::Cause::Disarmed, why: "by ann".into() };
    prints(
        &claimed().says(1, Entry::Guard(entry)),
        NotificationStatus::New,
        "a person has disarmed: nothing is begun: by ann\n  $ masakari guard\n  $ masakari arm --reason \"...\"\n",
    );
}

#[test]
fn what_is_away_is_told_while_it_is() {
    let away = |why: &str| claimed().says(1, Entry::Waiting { why: why.into() });
    prints(
        &away("GET /v2.1/os-services: 503"),
        NotificationStatus::New,
        "Nova, Keystone or the way to them does not answer; it goes on by itself when they do: GET \
         /v2.1/os-services: 503\n  $ openstack token issue\n  $ openstack compute service list\n",
    );
    let cause = |log: &Log| explained(log, NotificationStatus::New).findings[0].cause;
    assert_eq!(cause(&away(words::BUS_SILENT)), Cause::BusAway);
    assert_eq!(cause(&away(words::RESERVED_BUSY)), Cause::ReservedBusy);
    assert_eq!(cause(&claimed()), Cause::UnderWay);
}

#[test]
fn how_it_ended_is_told_before_what_is_left() {
    let by = || Some("a drill".to_owned());
    let cancel = HandEntry::Cancelled { request: "q".into(), by: "ann".into(), why: by() };
    let log = ended(claimed().says(1, Entry::Hand(cancel)), NotificationStatus::Ignored, None);
    prints(
        &log,
        NotificationStatus::Ignored,
        "a person cancelled it: cancelled by ann: a drill\n  $ masakari retry n1\n",
    );
    let given_up = "given up after 86400 s: host 'dead': Nova still takes it for alive";
    let log = claimed().says(1, held(Lacks::NovasWord, LadderIs::NoFile, "why"));
    let log = ended(log, NotificationStatus::Failed, Some(given_up));
    let text = printed(&log, NotificationStatus::Failed);
    assert!(text.starts_with(&format!(
        "it was older than notifications_expired_interval allows: {given_up}\n  $ masakari retry n1\n\n\
         Nova still takes dead for up"
    )));
    let disabled =
        ended(claimed(), NotificationStatus::Ignored, Some("the segment 's' is disabled"));
    prints(
        &disabled,
        NotificationStatus::Ignored,
        "the segment of dead is disabled, so nothing is done for it: the segment 's' is disabled\n  \
         $ openstack segment list\n  $ openstack segment update SEGMENT --is_enabled True\n  \
         $ masakari recover dead\n",
    );
}

#[test]
fn what_stays_and_what_is_well_is_told() {
    let skipped = ["a", "b", "c", "d", "e", "f"].map(|server| Skipped {
        server: id(server),
        why: "it is not HA_Enabled".into(),
        left: None,
    });
    let plan = Entry::Planned { on_host: 6, moves: vec![], skipped: skipped.to_vec() };
    let log = ended(claimed().says(1, plan), NotificationStatus::Finished, None);
    prints(
        &log,
        NotificationStatus::Finished,
        "not to be moved: it is not HA_Enabled\n  6 servers: a, b, c, d, e, ...\n  $ openstack server show a\n",
    );
    let nothing = ended(Log::planned(&[]), NotificationStatus::Finished, None);
    prints(&nothing, NotificationStatus::Finished, "there was nothing to do\n");
    let moved =
        ended(Log::planned(&[planned("a")]).moves(1, "a"), NotificationStatus::Finished, None);
    prints(&moved, NotificationStatus::Finished, "nothing is wrong: every server was recovered\n");
    let why = "was on 3 hosts that died within 60 min: x, y, dead; quarantined";
    let kills = Planned { quarantine: Some(why.into()), ..planned("a") };
    let log = ended(Log::planned(&[kills]), NotificationStatus::Failed, None);
    let expected = format!(
        "it may be what kills its hosts, and is quarantined: {why}\n  1 server: a\n  $ masakari retry n1\n"
    );
    prints(&log, NotificationStatus::Failed, &expected);
    let why = format!("{}compute02, to which it was being migrated live", words::MAY_RUN);
    let leaving = Planned { quarantine: Some(why.clone()), ..planned("a") };
    let log = ended(Log::planned(&[leaving]), NotificationStatus::Failed, None);
    let expected = format!(
        "the host to which it was on its way before may run it: make sure there that it does not: {why}\n  \
         1 server: a\n  $ openstack server event list a\n  $ virsh list --all  # there\n"
    );
    prints(&log, NotificationStatus::Failed, &expected);
    prints(
        &Log::default(),
        NotificationStatus::New,
        "no engine has taken the report up: is one running?\n  $ pgrep -af masakari\n",
    );
}

#[test]
fn a_host_on_maintenance_after_a_recovery_that_failed_is_named() {
    let log = failed("Nova gave the evacuation up");
    let case = Case {
        notification: &NotificationId::new("n1"),
        kind: NotificationType::ComputeHost,
        status: NotificationStatus::Failed,
        message: None,
        host: &host("dead"),
        on_maintenance: true,
        lines: &log.lines,
    };
    let causes: Vec<Cause> = explain(&case).findings.into_iter().map(|f| f.cause).collect();
    assert_eq!(causes, [Cause::NovaFault { over: Over::Other }, Cause::OnMaintenance]);
}

/// As nova/exception.py of 2026.2 and the places that raise them have it.
#[test]
fn novas_own_words_are_told_apart() {
    let (ram, vcpus) = (Some(Resource::Ram), Some(Resource::Vcpus));
    let tied = |by| Cause::Tied { by };
    let over = |over| Cause::NovaFault { over };
    for (why, cause) in [
        (
            "No valid host was found. There are not enough hosts available.",
            Cause::Capacity { of: None },
        ),
        (
            "Insufficient compute resources: Free memory 12.00 MB < requested 64 MB.",
            Cause::Capacity { of: ram },
        ),
        (
            "Insufficient compute resources: Free vcpu 0.00 VCPU < requested 2 VCPU.",
            Cause::Capacity { of: vcpus },
        ),
        ("Insufficient compute resources: Claim pci failed.", tied(Tie::Device)),
        ("PCI device request [x] failed", tied(Tie::Device)),
        (
            "Insufficient compute resources: Requested instance NUMA topology cannot fit the given host NUMA topology.",
            tied(Tie::Numa),
        ),
        (
            "Insufficient compute resources: Requested instance NUMA topology together with requested PCI devices \
             cannot fit the given host NUMA topology.",
            tied(Tie::Device),
        ),
        ("CPU set to pin [1] must be a subset of free CPU set []", tied(Tie::Numa)),
        ("Anti-affinity instance group policy was violated", tied(Tie::Group)),
        (
            "ServerGroup policy is not supported: ServerGroupAffinityFilter not configured",
            tied(Tie::Group),
        ),
        ("Instance i is locked", Cause::Locked),
        ("Timed out waiting for a reply to message ID 1", Cause::BusAway),
        ("Image i could not be found.", over(Over::Image)),
        ("Connection to glance host http://g failed: 503", over(Over::Image)),
        ("Volume v could not be found.", over(Over::Volume)),
        ("Connection to cinder host failed: Unable to establish connection", over(Over::Volume)),
        (
            "Binding failed for port p, please check neutron logs for more information.",
            over(Over::Port),
        ),
        ("Port p not usable for instance i.", over(Over::Port)),
        ("Build of instance aborted.", over(Over::Other)),
    ] {
        assert_eq!(words::not_moved(why), cause, "{why}");
        // Where it failed does not change why.
        assert_eq!(words::not_moved(&format!("on compute02: {why}")), cause, "{why}");
    }
    let there = "Nova moved it and then failed to bring it up on compute02";
    assert_eq!(words::not_moved(&format!("{there}; it is in error there")), Cause::InErrorThere);
    assert_eq!(
        words::not_moved(&format!("{there}: Volume v could not be found.")),
        over(Over::Volume)
    );
    assert_eq!(
        words::not_moved("Nova took the evacuation and did not finish it in time"),
        Cause::NotFinishedInTime
    );
}

#[test]
fn machines_get_the_cause_as_a_word() {
    let log = failed("No valid host was found: not enough disk on compute02 (9 GB disk needed)");
    let json = serde_json::to_value(explained(&log, NotificationStatus::Failed)).unwrap();
    assert_eq!(json["findings"][0]["cause"], serde_json::json!({"is": "capacity", "of": "disk"}));
    assert_eq!(json["findings"][0]["next"][1], "masakari retry n1");
}
