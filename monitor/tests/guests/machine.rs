//! The machine, beside Python's own code for it written down step by step.

use monitor::guests::{Found, Machine, Patience, State};
use ports::Boot;
use proptest::prelude::*;
use std::time::Duration;

const ROUND_MS: u64 = 10_000;
const NEVER: [usize; 0] = [];
const PATIENCE: Patience = Patience { threshold: 3, shutdown: Duration::from_secs(75) };

/// The rounds, counted from one, in which it is reported.
fn reported(found: &[Found], patience: Patience) -> Vec<usize> {
    let mut machine = Machine::default();
    let round = |(nth, found): (usize, &Found)| {
        let now = Boot(nth as u64 * ROUND_MS);
        machine.find(*found, now, patience).then_some(nth + 1)
    };
    found.iter().enumerate().filter_map(round).collect()
}

fn rounds(parts: &[(Found, usize)]) -> Vec<Found> {
    parts.iter().flat_map(|(found, times)| vec![*found; *times]).collect()
}

/// `qemu_utils.py`: `_record` with `_thresholdsCrossing`, `_no_heartbeat` and `_with_heartbeat`, over `STATE_SPACE`.
fn python(pings: &[bool], threshold: u32) -> Vec<usize> {
    let (mut state, mut failed_count, mut sent) = ("discovery", 0, false);
    let mut reports = Vec::new();
    for (nth, ping) in pings.iter().enumerate() {
        if *ping {
            failed_count = 0;
            state = match state {
                "discovery" | "healthy" | "error" => "healthy",
                _ => "discovery",
            };
            continue;
        }
        if state == "error" && failed_count > threshold && !sent {
            reports.push(nth + 1);
            (state, sent) = ("reported", true);
        }
        state = match state {
            "healthy" | "error" => "error",
            other => other,
        };
        if state == "error" {
            failed_count += 1;
        }
    }
    reports
}

proptest! {
    #[test]
    fn it_reports_in_the_rounds_in_which_pythons_does(
        pings in prop::collection::vec(prop::bool::weighted(0.3), 0..60),
        threshold in 0u32..5,
    ) {
        let found: Vec<_> =
            pings.iter().map(|ping| if *ping { Found::Alive } else { Found::Silent }).collect();
        let ours = reported(&found, Patience { threshold, ..PATIENCE });
        prop_assert_eq!(ours, python(&pings, threshold));
    }
}

#[test]
fn an_agent_that_hangs_is_reported_in_the_fifth_round_by_pythons_defaults() {
    let found = rounds(&[(Found::Alive, 1), (Found::Silent, 50)]);
    assert_eq!(reported(&found, PATIENCE), [6], "once");
}

#[test]
fn an_agent_that_never_lived_is_never_reported() {
    for found in [Found::Silent, Found::Closed, Found::Unknown, Found::Excused] {
        assert_eq!(reported(&rounds(&[(found, 500)]), PATIENCE), NEVER);
    }
}

#[test]
fn what_is_excused_does_not_count_nor_does_what_was_before() {
    let paused = rounds(&[(Found::Alive, 1), (Found::Silent, 4), (Found::Excused, 1)]);
    let after = rounds(&[(Found::Silent, 4)]);
    assert_eq!(reported(&[paused.clone(), after].concat(), PATIENCE), NEVER);
    let after = rounds(&[(Found::Silent, 5)]);
    assert_eq!(reported(&[paused, after].concat(), PATIENCE), [11]);
}

#[test]
fn what_nobody_knows_changes_nothing() {
    let found = rounds(&[(Found::Alive, 1), (Found::Silent, 3), (Found::Unknown, 99)]);
    assert_eq!(reported(&found, PATIENCE), NEVER);
    let found =
        rounds(&[(Found::Alive, 1), (Found::Silent, 4), (Found::Unknown, 9), (Found::Silent, 1)]);
    assert_eq!(reported(&found, PATIENCE), [15]);
}

#[test]
fn a_channel_that_is_closed_is_borne_as_long_as_a_shutdown_may_take() {
    let found = rounds(&[(Found::Alive, 1), (Found::Closed, 30)]);
    // Closed since the second round, at 10 s: eight rounds later it is 80 s.
    assert_eq!(reported(&found, PATIENCE), [10]);
    let hasty = Patience { shutdown: Duration::ZERO, ..PATIENCE };
    assert_eq!(reported(&found, hasty), [6]);
    let twice =
        rounds(&[(Found::Alive, 1), (Found::Closed, 7), (Found::Alive, 1), (Found::Closed, 7)]);
    assert_eq!(reported(&twice, PATIENCE), NEVER, "each for itself");
}

#[test]
fn it_goes_through_the_four_states() {
    let mut machine = Machine::default();
    let mut find = |found| {
        let told = machine.find(found, Boot(0), Patience { threshold: 0, ..PATIENCE });
        (machine.state(), told)
    };
    assert_eq!(find(Found::Silent), (State::Discovery, false));
    assert_eq!(find(Found::Alive), (State::Healthy, false));
    assert_eq!(find(Found::Silent), (State::Error, false));
    assert_eq!(find(Found::Alive), (State::Healthy, false));
    assert_eq!(find(Found::Silent), (State::Error, false));
    assert_eq!(find(Found::Silent), (State::Reported, true));
    assert_eq!(find(Found::Excused), (State::Reported, false));
    assert_eq!(find(Found::Alive), (State::Discovery, false));
}
