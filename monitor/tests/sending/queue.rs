//! The queue's decisions, one by one and by chance.

use crate::{failed, noted, report};
use monitor::{
    Care, Watched,
    sending::{Accepted, Answer, Answered, Limits, Look, Number, Queue, SendingConfig, Step},
};
use ports::Boot;
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const START: Boot = Boot(1_000_000);

fn limits() -> Limits {
    SendingConfig::of_python(12, Duration::from_secs(10)).limits
}

fn queue() -> Queue {
    Queue::new(limits())
}

fn after_s(seconds: u64) -> Boot {
    START.plus(Duration::from_secs(seconds))
}

#[test]
fn what_is_fresh_is_sent_at_once_and_what_is_late_is_looked_at_first() {
    let mut queue = queue();
    queue.accept(failed("vm1"), START);
    assert_eq!(queue.due(START), [Step::Send(Number(1))]);
    queue.accept(failed("vm2"), START);
    assert_eq!(queue.due(after_s(6)), [Step::Look(Number(2))]);
    let now = after_s(6);
    assert_eq!(queue.looked(Number(2), &Look::Holds, now, 0), Some(Step::Send(Number(2))));
    assert_eq!(queue.answered(Number(1), Answer::Final, now, 0), Answered::Done);
    assert_eq!(queue.answered(Number(2), Answer::Final, now, 0), Answered::Done);
    assert!(queue.is_empty());
}

#[test]
fn what_failed_once_is_looked_at_before_it_is_sent_again() {
    let mut queue = queue();
    queue.accept(failed("vm1"), START);
    queue.due(START);
    assert_eq!(queue.answered(Number(1), Answer::Failed, START, 0), Answered::ApiFails);
    assert_eq!(queue.due(START), []);
    let again = queue.due_at(START).unwrap();
    assert_eq!(queue.due(again), [Step::Look(Number(1))]);
    assert_eq!(queue.looked(Number(1), &Look::Gone("it runs".into()), again, 0), None);
    assert!(queue.is_empty());
}

#[test]
fn of_one_subject_the_eldest_goes_first_and_alone() {
    let mut queue = queue();
    queue.accept(noted("vm1"), START);
    queue.accept(failed("vm1"), START);
    queue.accept(failed("vm2"), START);
    assert_eq!(queue.due(START), [Step::Send(Number(1)), Step::Send(Number(3))]);
    assert_eq!(queue.due(START), []);
    queue.answered(Number(1), Answer::Final, START, 0);
    assert_eq!(queue.due(START), [Step::Send(Number(2))]);
}

#[test]
fn while_the_api_fails_one_at_a_time_asks_and_each_time_another_one() {
    let mut queue = queue();
    for vm in ["vm1", "vm2", "vm3"] {
        queue.accept(failed(vm), START);
    }
    assert_eq!(queue.due(START).len(), 3);
    for number in 1..=3 {
        queue.answered(Number(number), Answer::Failed, START, 0);
    }
    let mut asked = Vec::new();
    let mut now = START;
    for _ in 0..6 {
        now = queue.due_at(now).unwrap();
        let steps = queue.due(now);
        let [Step::Look(number)] = steps[..] else { panic!("{steps:?}") };
        queue.looked(number, &Look::Holds, now, 0);
        queue.answered(number, Answer::Failed, now, 0);
        asked.push(number.0);
    }
    let mut seldom = asked.clone();
    seldom.sort_unstable();
    assert_eq!(seldom, [1, 1, 2, 2, 3, 3], "{asked:?}");
}

#[test]
fn pauses_double_up_to_the_retry_interval_and_never_all_at_once() {
    let mut queue = queue();
    queue.accept(failed("vm1"), START);
    queue.due(START);
    let (mut now, mut pauses) = (START, Vec::new());
    for _ in 0..6 {
        queue.answered(Number(1), Answer::Failed, now, 0);
        let next = queue.due_at(now).unwrap();
        pauses.push(next.since(now).as_secs());
        now = next;
        queue.due(now);
        queue.looked(Number(1), &Look::Holds, now, 0);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    queue.answered(Number(1), Answer::Failed, now, 3_000);
    assert_eq!(queue.due_at(now).unwrap().since(now), Duration::from_secs(7));
}

#[test]
fn the_same_within_a_burst_or_while_it_waits_is_one_report() {
    let mut queue = queue();
    assert_eq!(queue.accept(noted("vm1"), START), Accepted::Waits(Number(1)));
    assert_eq!(queue.accept(noted("vm1"), START), Accepted::Same);
    queue.due(START);
    queue.answered(Number(1), Answer::Final, START, 0);
    assert_eq!(queue.accept(noted("vm1"), after_s(4)), Accepted::Same);
    assert_eq!(queue.accept(noted("vm1"), after_s(5)), Accepted::Waits(Number(2)));
    assert_eq!(queue.accept(noted("vm1"), after_s(500)), Accepted::Same, "it waits still");
}

#[test]
fn a_vm_that_was_started_and_fails_again_is_reported_again() {
    let mut queue = queue();
    queue.accept(failed("vm1"), START);
    queue.due(START);
    queue.answered(Number(1), Answer::Final, START, 0);
    assert_eq!(queue.accept(failed("vm1"), START), Accepted::Same);
    queue.begins_anew(Watched::Instances, "VM vm1");
    assert_eq!(queue.accept(failed("vm1"), START), Accepted::Waits(Number(2)));
}

#[test]
fn what_is_on_its_way_when_a_vm_is_started_does_not_stand_for_its_next_failure() {
    let mut queue = queue();
    queue.accept(failed("vm1"), START);
    assert_eq!(queue.due(START), [Step::Send(Number(1))]);
    queue.begins_anew(Watched::Guests, "VM vm1");
    assert_eq!(queue.accept(failed("vm1"), START), Accepted::Same, "another monitor says so");
    queue.begins_anew(Watched::Instances, "VM vm1");
    assert_eq!(queue.accept(failed("vm1"), START), Accepted::Waits(Number(2)));
    assert_eq!(queue.due(START), [], "one after the other");
    queue.answered(Number(1), Answer::Final, START, 0);
    assert_eq!(queue.due(START), [Step::Send(Number(2))]);
}

#[test]
fn what_was_tried_before_does_not_stand_for_what_is_said_now() {
    let mut queue = queue();
    // The process before us may have sent it, and the API may have taken it.
    queue.restore(Number(1), failed("vm1"), START, Duration::ZERO);
    let anew = Accepted::Anew { dropped: Number(1), number: Number(2) };
    assert_eq!(queue.accept(failed("vm1"), START), anew);
    assert_eq!(queue.due(START), [Step::Send(Number(2))]);
    queue.answered(Number(2), Answer::Failed, START, 0);
    // Beyond a burst.
    let anew = Accepted::Anew { dropped: Number(2), number: Number(3) };
    assert_eq!(queue.accept(failed("vm1"), after_s(60)), anew);
    assert_eq!(queue.len(), 1);
}

#[test]
fn what_masakari_only_notes_is_given_up_as_python_does_and_the_rest_never_is() {
    let mut queue = queue();
    queue.accept(noted("vm1"), START);
    queue.accept(failed("vm2"), START);
    queue.due(START);
    queue.answered(Number(1), Answer::Failed, START, 0);
    queue.answered(Number(2), Answer::Failed, START, 0);
    assert!(!queue.clone().due(after_s(119)).contains(&Step::GiveUp(Number(1))));
    let mut day = queue.clone();
    assert!(queue.due(after_s(120)).contains(&Step::GiveUp(Number(1))));
    assert!(!day.due(after_s(86_400)).contains(&Step::GiveUp(Number(2))));
}

#[test]
fn who_waits_for_a_source_that_does_not_know_is_in_nobodys_way() {
    let mut queue = queue();
    queue.restore(Number(7), failed("vm1"), START, Duration::ZERO);
    assert_eq!(queue.due(START), [Step::Look(Number(7))]);
    queue.looked(Number(7), &Look::Unknown("libvirt is away".into()), START, 0);
    assert_eq!(queue.accept(failed("vm2"), START), Accepted::Waits(Number(8)));
    assert_eq!(queue.due(START), [Step::Send(Number(8))]);
    assert_eq!(queue.due_at(START), Some(after_s(10)));
}

#[test]
fn a_full_queue_drops_what_masakari_would_only_note_and_then_refuses() {
    let mut queue = Queue::new(Limits { waiting_most: 2, ..limits() });
    queue.accept(noted("vm1"), START);
    queue.accept(failed("vm2"), START);
    let instead = Accepted::InsteadOf { dropped: Number(1), number: Number(3) };
    assert_eq!(queue.accept(failed("vm3"), START), instead);
    assert_eq!(queue.accept(failed("vm4"), START), Accepted::Full);
    assert_eq!(queue.len(), 2);
}

proptest! {
    /// Whatever happens in whichever order: of one subject one is under way, the eldest; nothing is under way twice;
    /// nothing is sent late without a look; and when the API is well in the end, nothing is left.
    #[test]
    fn whatever_happens_order_is_kept_and_nothing_is_lost(
        happens in prop::collection::vec((0u8..6, 0usize..4, any::<u64>()), 1..200)
    ) {
        let mut queue = Queue::new(Limits { flights_most: 3, ..limits() });
        let mut now = START;
        // Under way: its subject, and whether it was looked at.
        let mut flying: BTreeMap<Number, (String, bool)> = BTreeMap::new();
        let mut accepted = Vec::new();
        let mut ended = Vec::new();
        for (what, whose, chance) in happens {
            match what {
                0 | 1 => {
                    let vm = format!("vm{whose}");
                    // Each says something else.
                    let new = report(&vm, &format!("{chance}"), Care::UntilAnswered);
                    match queue.accept(new, now) {
                        Accepted::Waits(number) => accepted.push(number),
                        Accepted::Same => {}
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                2 => now = now.plus(Duration::from_millis(chance % 20_000)),
                _ => {
                    let Some(number) = flying.keys().nth(whose).copied() else { continue };
                    let looked = flying[&number].1;
                    if what == 3 {
                        flying.remove(&number);
                        if looked {
                            let answer = if chance % 2 == 0 { Answer::Final } else { Answer::Failed };
                            if answer == Answer::Final { ended.push(number); }
                            queue.answered(number, answer, now, chance);
                        } else if chance % 3 == 0 {
                            queue.looked(number, &Look::Gone(String::new()), now, chance);
                            ended.push(number);
                        } else {
                            queue.looked(number, &Look::Unknown(String::new()), now, chance);
                        }
                    } else if !looked {
                        let step = queue.looked(number, &Look::Holds, now, chance);
                        prop_assert_eq!(step, Some(Step::Send(number)));
                        flying.get_mut(&number).unwrap().1 = true;
                    }
                }
            }
            for step in queue.due(now) {
                let (number, looked) = match step {
                    Step::Look(number) => (number, false),
                    Step::Send(number) => (number, true),
                    Step::GiveUp(number) => { prop_assert!(false, "{:?}", number); continue }
                };
                let subject = queue.report(number).unwrap().subject.clone();
                prop_assert!(flying.values().all(|(flies, _)| *flies != subject), "two of {}", subject);
                flying.insert(number, (subject, looked));
                prop_assert!(flying.len() <= 3);
            }
        }
        // In the end all is well.
        for _ in 0..10_000 {
            let ready: Vec<_> = flying.keys().copied().collect();
            for number in ready {
                let (_, looked) = flying.remove(&number).unwrap();
                if !looked { queue.looked(number, &Look::Holds, now, 0); }
                queue.answered(number, Answer::Final, now, 0);
                ended.push(number);
            }
            for step in queue.due(now) {
                match step {
                    Step::Look(number) => flying.insert(number, (String::new(), false)),
                    Step::Send(number) => flying.insert(number, (String::new(), true)),
                    Step::GiveUp(_) => None,
                };
            }
            if flying.is_empty() {
                match queue.due_at(now) { Some(at) => now = at, None => break }
            }
        }
        prop_assert!(queue.is_empty());
        ended.sort_unstable();
        prop_assert_eq!(ended, accepted);
    }
}
