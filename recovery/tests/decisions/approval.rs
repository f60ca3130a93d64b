//! When a person is asked before a recovery begins, and what the person's word comes to.

use recovery::{
    Millis, NotificationId,
    approval::{Policy, Rules, hold, hold_again},
    evidence::Kind,
    guard::{Cause, GuardEntry},
    hand::{HandEntry, Unfit, may_approve, may_reject},
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    restart,
    state::{State, Subject},
};

const NEW: NotificationStatus = NotificationStatus::New;

fn asks(policy: Policy, proof: Option<Kind>) -> Option<String> {
    let hold = hold(policy, proof, &NotificationId::new("n1"))?;
    assert_eq!(hold.cause, Cause::Approval);
    Some(hold.why)
}

#[test]
fn a_policy_reads_as_it_is_written() {
    assert_eq!(Policy::read(" never"), Some(Policy::Never));
    assert_eq!(Policy::read("always"), Some(Policy::Always));
    let weaker = Some(Policy::WeakerThan(Kind::PoweredOff));
    assert_eq!(Policy::read("weaker_than = powered_off"), weaker);
    assert_eq!(Policy::read("weaker_than=hearsay"), None);
    assert_eq!(Policy::read("weaker_than"), None);
}

#[test]
fn a_person_is_asked_always_never_or_where_the_proof_is_weaker() {
    let (word, off) = (Some(Kind::MonitorSaid), Some(Kind::PoweredOff));
    assert_eq!(asks(Policy::Never, word), None);
    assert!(asks(Policy::Always, off).unwrap().contains("`masakari approve n1 --reason"));
    assert!(asks(Policy::Always, None).is_some(), "before it is fenced, too");
    let weaker = Policy::WeakerThan(Kind::PoweredOff);
    assert!(asks(weaker, word).unwrap().contains("weaker than "));
    assert_eq!(asks(weaker, off), None);
    assert_eq!(asks(weaker, None), None, "the fencing may prove it");
}

#[test]
fn a_person_is_asked_again_where_a_weaker_proof_is_all_that_is_left() {
    let asks =
        |policy, began_by, now| hold_again(policy, began_by, now, &NotificationId::new("n1"));
    let weaker = Policy::WeakerThan(Kind::ClusterFenced);
    let (word, fenced, off) = (Kind::MonitorSaid, Kind::ClusterFenced, Kind::PoweredOff);
    let hold = asks(weaker, off, Some(word)).unwrap();
    assert_eq!(hold.cause, Cause::Approval);
    assert!(hold.why.contains("it began by powered_off, and what is left is monitor_said"));
    assert!(hold.why.contains("`masakari cancel n1"), "{}", hold.why);
    assert_eq!(asks(weaker, off, Some(fenced)), None, "that is enough");
    assert_eq!(asks(weaker, off, None), None, "it is to be fenced");
    assert_eq!(asks(weaker, word, Some(word)), None, "it was let begin by that");
    for policy in [Policy::Never, Policy::Always] {
        assert_eq!(asks(policy, off, Some(word)), None);
    }
}

#[test]
fn what_has_begun_is_approved_where_it_is_held_for_that() {
    let held = |cause| Entry::Guard(GuardEntry::Held { cause, why: "why".into() });
    let log = |last| lines(vec![proven(), last]);
    assert_eq!(may_approve(NEW, &log(held(Cause::Approval))), Ok(()));
    assert_eq!(may_approve(NEW, &log(held(Cause::Disarmed))), Err(Unfit::Begun));
    assert_eq!(may_reject(NEW, &log(held(Cause::Approval))), Err(Unfit::Begun), "it is cancelled");
    let gone_on = lines(vec![proven(), held(Cause::Approval), approved(), proven()]);
    assert_eq!(may_approve(NEW, &gone_on), Err(Unfit::Begun));
}

#[test]
fn a_segment_that_is_named_has_its_own_policy_and_the_others_the_default() {
    let segments = [("rack1".into(), Policy::Always)].into();
    let rules = Rules { default: Policy::Never, segments };
    assert_eq!([rules.of("rack1"), rules.of("rack2")], [Policy::Always, Policy::Never]);
}

fn lines(entries: Vec<Entry>) -> Vec<Line> {
    (1..).zip(entries).map(|(seq, entry)| Line { seq, at: Millis(0), entry }).collect()
}

fn said(word: fn(String, String, Option<String>) -> HandEntry) -> Entry {
    Entry::Hand(word("r1".into(), "ann (a1)".into(), Some("I was there".into())))
}

fn approved() -> Entry {
    said(|request, by, why| HandEntry::Approved { request, by, why })
}

fn rejected() -> Entry {
    said(|request, by, why| HandEntry::Rejected { request, by, why })
}

fn retried() -> Entry {
    said(|request, by, why| HandEntry::Retried { request, by, why })
}

fn ended() -> Entry {
    Entry::Ended { status: NotificationStatus::Failed, message: None }
}

fn proven() -> Entry {
    Entry::Proven { kind: Kind::MonitorSaid, at: Millis(0), evidence: Vec::new() }
}

#[test]
fn an_approval_is_no_proof() {
    let state = State::fold(&lines(vec![approved()])).unwrap();
    assert!(state.hand.approved);
    assert_eq!((state.proven, state.has_passed()), (None, false));
    let again = State::fold(&lines(vec![approved(), ended(), retried()])).unwrap();
    assert!(!again.hand.approved, "what is tried again is asked about again");
}

#[test]
fn what_has_begun_is_neither_approved_nor_rejected() {
    for may in [may_approve, may_reject] {
        assert_eq!(may(NEW, &[]), Ok(()));
        assert_eq!(may(NEW, &lines(vec![proven()])), Err(Unfit::Begun));
        assert_eq!(may(NEW, &lines(vec![proven(), ended(), retried()])), Ok(()));
        assert_eq!(may(NEW, &lines(vec![rejected()])), Err(Unfit::Cancelled));
        let failed = NotificationStatus::Failed;
        assert_eq!(may(failed, &[]), Err(Unfit::Ended(failed)));
        let restart = Entry::Restart(restart::Event::StartIntended);
        assert_eq!(may(NEW, &lines(vec![restart])), Err(Unfit::NotOfAHost));
    }
    assert_eq!(may_approve(NEW, &lines(vec![approved()])), Err(Unfit::Approved));
    assert_eq!(may_reject(NEW, &lines(vec![approved()])), Ok(()));
    assert_eq!(may_approve(NEW, &lines(vec![approved(), ended(), retried()])), Ok(()));
}

#[test]
fn what_is_rejected_ends_with_who_and_why() {
    let held = Entry::Guard(GuardEntry::Held { cause: Cause::Approval, why: "why".into() });
    let HandEntry::Rejected { request, by, why } = (match rejected() {
        Entry::Hand(word) => word,
        other => panic!("{other:?}"),
    }) else {
        panic!()
    };
    let word = HandEntry::Rejected { request, by, why };
    let of = Subject::unknown(&NotificationId::new("n1"));
    let kind = recovery::nouns::NotificationType::ComputeHost;
    let log = lines(vec![held]);
    let (lines, summaries) = recovery::hand::written(kind, &log, word, Millis(5), &of).unwrap();
    let message = Some("rejected by ann (a1): I was there".to_owned());
    let status = NotificationStatus::Ignored;
    assert_eq!(lines[1].entry, Entry::Ended { status, message: message.clone() });
    assert!(summaries.contains(&Summary::Status { status, message }));
}
