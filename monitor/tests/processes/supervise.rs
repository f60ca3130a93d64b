//! What is due for one entry.

use monitor::processes::{
    Commands, Entry, Limits, Seen, Supervised, Watched,
    supervise::{
        Act::{self, Report, Run, Say},
        News, Part, Series, State, Why,
    },
};
use ports::Boot;
use proptest::prelude::*;
use std::time::Duration;

const LIMITS: Limits = Limits {
    retries: 3,
    interval: Duration::from_secs(5),
    settle: Duration::from_secs(5),
    flap_restarts: 5,
    flap_window: Duration::from_secs(300),
};
const RESTART: Act = Run(Series::Restart, Part::Main);

fn entry(watched: Watched) -> Entry {
    let main = |word: &str| Commands { pre: None, main: Some(word.into()), post: None };
    let (start, restart) = (main("start"), main("restart"));
    Entry { watched, reported: "nova-compute".into(), start, restart, run_as_root: false }
}

fn process() -> Supervised {
    Supervised::new(entry(Watched::Process("nova-compute".into())), LIMITS)
}

fn unit() -> Supervised {
    Supervised::new(entry(Watched::Unit("nova-compute.service".into())), LIMITS)
}

fn s(seconds: u64) -> Boot {
    Boot(seconds * 1000)
}

/// One that is here, and was not touched before.
fn here(mut supervised: Supervised) -> Supervised {
    assert_eq!(supervised.saw(&Seen::Here, s(0)), []);
    supervised
}

#[test]
fn what_ends_is_restarted_at_once() {
    let mut it = here(process());
    assert_eq!(it.saw(&Seen::Gone, s(100)), [Say(News::Missing), RESTART]);
    assert_eq!(it.ended(true, s(101)), []);
    assert_eq!(it.saw(&Seen::Gone, s(101)), [], "it has time to appear");
    assert_eq!(it.saw(&Seen::Here, s(102)), [Say(News::Back)]);
    assert_eq!(it.state(), State::Here);
}

#[test]
fn pre_main_and_post_are_run_in_this_order_and_only_if_the_former_went_well() {
    let mut all = entry(Watched::Process("a".into()));
    (all.restart.pre, all.restart.post) = (Some("pre".into()), Some("post".into()));
    let mut it = here(Supervised::new(all, LIMITS));
    let part = |part| Run(Series::Restart, part);
    assert_eq!(it.saw(&Seen::Gone, s(0)), [Say(News::Missing), part(Part::Pre)]);
    assert_eq!(it.ended(true, s(1)), [part(Part::Main)]);
    assert_eq!(it.ended(true, s(2)), [part(Part::Post)]);
    // One that fails is a try that failed, even the last; all of it is tried again.
    assert_eq!(it.ended(false, s(3)), []);
    assert_eq!(it.due(s(7)), []);
    assert_eq!(it.due(s(8)), [part(Part::Pre)]);
    assert_eq!(it.ended(false, s(9)), []);
    assert_eq!(it.due(s(14)), [part(Part::Pre)]);
}

#[test]
fn the_start_commands_are_run_as_pythons_does() {
    let mut all = entry(Watched::Process("a".into()));
    (all.start.pre, all.start.post) = (Some("pre".into()), Some("post".into()));
    let part = |part| Run(Series::Start, part);
    let mut it = Supervised::new(all.clone(), LIMITS);
    assert_eq!(it.begin(s(0)), [part(Part::Pre)]);
    assert_eq!(it.saw(&Seen::Gone, s(0)), [], "it is being started");
    assert_eq!(it.ended(true, s(0)), [part(Part::Main)]);
    assert_eq!(it.ended(false, s(0)), [part(Part::Post)], "post is run whatever main did");
    assert_eq!(it.ended(false, s(0)), []);
    assert_eq!(it.saw(&Seen::Gone, s(5)), [Say(News::Missing), RESTART]);
    let mut it = Supervised::new(all, LIMITS);
    it.begin(s(0));
    assert_eq!(it.ended(false, s(0)), [], "without pre there is no start");
}

#[test]
fn a_unit_is_not_started_when_the_monitor_begins() {
    assert_eq!(unit().begin(s(0)), []);
}

#[test]
fn four_tries_five_seconds_apart_and_then_it_is_reported_once() {
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    for tried in [100, 105, 110] {
        assert_eq!(it.ended(false, s(tried)), []);
        assert_eq!(it.saw(&Seen::Gone, s(tried + 4)), []);
        assert_eq!(it.saw(&Seen::Gone, s(tried + 5)), [RESTART]);
    }
    assert_eq!(it.ended(false, s(115)), []);
    assert_eq!(it.state(), State::Missing);
    assert_eq!(it.saw(&Seen::Gone, s(115)), [Report(Why::NoRestart)]);
    assert_eq!(it.state(), State::Failed);
    for later in 116..400 {
        assert_eq!(it.saw(&Seen::Gone, s(later)), [], "it is left alone");
    }
    // Somebody repairs it; when it fails again that is another report.
    assert_eq!(it.saw(&Seen::Here, s(400)), [Say(News::Back)]);
    assert_eq!(it.saw(&Seen::Gone, s(500)), [Say(News::Missing), RESTART]);
}

#[test]
fn what_is_there_after_all_is_neither_tried_again_nor_reported() {
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    it.ended(false, s(100));
    assert_eq!(it.saw(&Seen::Here, s(101)), [Say(News::Back)]);
    assert_eq!(it.due(s(105)), []);
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    for tried in [100, 105, 110] {
        it.ended(false, s(tried));
        it.due(s(tried + 5));
    }
    it.ended(false, s(115));
    assert_eq!(
        it.saw(&Seen::Here, s(115)),
        [Say(News::Back)],
        "the last try only said that it failed"
    );
}

#[test]
fn a_post_command_that_fails_is_reported_although_it_is_there() {
    let mut all = entry(Watched::Process("a".into()));
    all.restart.post = Some("curl -f http://health".into());
    let mut it = here(Supervised::new(all, LIMITS));
    it.saw(&Seen::Gone, s(100));
    for tried in [100, 105, 110, 115] {
        it.ended(true, s(tried));
        it.ended(false, s(tried));
        if tried < 115 {
            assert_eq!(it.saw(&Seen::Here, s(tried)), [], "Python tries again");
            assert_eq!(it.due(s(tried + 5)), [RESTART]);
        }
    }
    assert_eq!(it.saw(&Seen::Here, s(115)), [Report(Why::NoRestart)]);
}

#[test]
fn when_it_cannot_be_looked_a_last_try_that_failed_is_believed_in_the_end() {
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    for tried in [100, 105, 110] {
        it.ended(false, s(tried));
        it.due(s(tried + 5));
    }
    it.ended(false, s(115));
    let unknown = Seen::Unknown("it is dark".into());
    assert_eq!(it.saw(&unknown, s(116)), []);
    assert_eq!(it.due_at(), Some(s(120)));
    assert_eq!(it.saw(&unknown, s(120)), [Report(Why::NoRestart)]);
}

#[test]
fn two_restarts_have_the_interval_between_them() {
    let mut it = here(process());
    assert_eq!(it.saw(&Seen::Gone, s(100)), [Say(News::Missing), RESTART]);
    it.ended(true, s(100));
    it.saw(&Seen::Here, s(101));
    assert_eq!(it.saw(&Seen::Gone, s(102)), [Say(News::Missing)]);
    assert_eq!(it.due_at(), Some(s(105)));
    assert_eq!(it.saw(&Seen::Gone, s(105)), [RESTART]);
}

#[test]
fn what_does_not_appear_is_restarted_again() {
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    it.ended(true, s(100));
    assert_eq!(it.due_at(), Some(s(105)));
    assert_eq!(it.saw(&Seen::Gone, s(105)), [RESTART]);
}

#[test]
fn a_try_that_failed_before_a_restart_that_went_well_is_not_counted_after_it() {
    let mut it = here(process());
    it.saw(&Seen::Gone, s(100));
    it.ended(false, s(100));
    assert_eq!(it.saw(&Seen::Gone, s(105)), [RESTART]);
    it.ended(true, s(105));
    // It does not appear: four tries again.
    for tried in [110, 115, 120, 125] {
        assert_eq!(it.saw(&Seen::Gone, s(tried)), [RESTART]);
        assert_eq!(it.ended(false, s(tried)), []);
    }
    assert_eq!(it.saw(&Seen::Gone, s(125)), [Report(Why::NoRestart)]);
}

/// Dies a second after each restart; the acts of 1,000 s without the news.
fn flaps(it: &mut Supervised, from: u64) -> Vec<(u64, Act)> {
    let (mut acts, mut dies_at) = (Vec::new(), from);
    for second in from..from + 1000 {
        let seen = if second < dies_at { Seen::Here } else { Seen::Gone };
        for act in it.saw(&seen, s(second)) {
            if act == RESTART {
                it.ended(true, s(second));
                dies_at = second + 2;
            }
            if !matches!(act, Say(_)) {
                acts.push((second - from, act));
            }
        }
    }
    acts
}

#[test]
fn what_flaps_is_reported_once_and_restarted_as_often_as_the_window_allows() {
    let mut it = here(process());
    let acts = flaps(&mut it, 1000);
    let reports: Vec<_> = acts.iter().filter(|(_, act)| matches!(act, Report(_))).collect();
    assert_eq!(reports, [&(22, Report(Why::Flaps))]);
    let restarts: Vec<u64> =
        acts.iter().filter(|(_, a)| *a == RESTART).map(|(at, _)| *at).collect();
    assert_eq!(
        restarts[..6],
        [0, 5, 10, 15, 20, 300],
        "five, and the next when the first is forgotten"
    );
    assert!(restarts.len() <= 20, "{restarts:?}");
    assert_eq!(
        it.state(),
        State::Failed,
        "that it is here now and then does not withdraw the report"
    );
    // Well for as long as the window.
    it.saw(&Seen::Here, s(2100));
    it.saw(&Seen::Here, s(2400));
    assert_eq!(it.state(), State::Here);
    assert!(
        flaps(&mut it, 5000).contains(&(22, Report(Why::Flaps))),
        "another time is another report"
    );
}

#[test]
fn a_unit_that_was_stopped_is_left_alone_until_it_runs() {
    let mut it = here(unit());
    assert_eq!(it.saw(&Seen::Busy, s(9)), []);
    assert_eq!(it.saw(&Seen::Stopped, s(10)), [Say(News::Stopped)]);
    assert_eq!(it.saw(&Seen::Stopped, s(20)), []);
    assert_eq!((it.due_at(), it.state()), (None, State::Stopped));
    assert_eq!(it.saw(&Seen::Here, s(30)), [Say(News::Back)]);
    assert_eq!(it.saw(&Seen::Gone, s(40)), [Say(News::Missing), RESTART]);
}

#[test]
fn what_a_person_stops_while_it_is_to_be_restarted_is_not() {
    let mut it = here(unit());
    it.saw(&Seen::Gone, s(100));
    it.ended(false, s(100));
    assert_eq!(it.saw(&Seen::Stopped, s(101)), [Say(News::Stopped)]);
    assert_eq!(it.due(s(105)), []);
}

#[test]
fn what_systemd_restarts_by_itself_is_left_to_it() {
    let mut it = here(unit());
    assert_eq!(it.saw(&Seen::Busy, s(100)), []);
    assert_eq!(it.saw(&Seen::Here, s(130)), []);
    // Even if a try of ours is due.
    it.saw(&Seen::Gone, s(200));
    it.ended(false, s(200));
    it.saw(&Seen::Busy, s(203));
    assert_eq!((it.due(s(205)), it.due_at()), (vec![], None));
    assert_eq!(it.saw(&Seen::Gone, s(206)), [RESTART]);
}

#[test]
fn what_systemd_starts_no_more_is_reported_and_not_started() {
    let mut it = here(unit());
    let reported = [Say(News::Missing), Report(Why::StartLimit)];
    assert_eq!(it.saw(&Seen::Refused, s(100)), reported);
    assert_eq!(it.saw(&Seen::Refused, s(105)), []);
    assert_eq!((it.due(s(200)), it.state()), (vec![], State::Failed));
    // So it is when our own restart reaches the limit.
    let mut it = here(unit());
    it.saw(&Seen::Gone, s(100));
    it.ended(false, s(100));
    assert_eq!(it.saw(&Seen::Refused, s(100)), [Report(Why::StartLimit)]);
}

fn any_seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        4 => Just(Seen::Here),
        8 => Just(Seen::Gone),
        1 => Just(Seen::Busy),
        1 => Just(Seen::Stopped),
        1 => Just(Seen::Refused),
        1 => Just(Seen::Unknown("dark".into())),
    ]
}

proptest! {
    /// One command at a time, never more restarts in a window than are allowed, and no report of what is well.
    #[test]
    fn whatever_happens_it_keeps_its_bounds(
        steps in proptest::collection::vec((any_seen(), 0u64..20, any::<bool>()), 1..300),
    ) {
        let mut it = process();
        let (mut now, mut runs, mut begun) = (0, false, Vec::new());
        for (seen, later, went_well) in steps {
            now += later;
            let mut acts = match runs {
                true => it.ended(went_well, s(now)),
                false => Vec::new(),
            };
            runs = false;
            acts.extend(it.saw(&seen, s(now)));
            for act in acts {
                match act {
                    Run(series, part) => {
                        prop_assert!(!runs, "two commands at once");
                        prop_assert_eq!((series, part), (Series::Restart, Part::Main));
                        runs = true;
                        begun.push(now);
                    }
                    Report(_) => prop_assert_eq!(it.state(), State::Failed),
                    Say(_) => {}
                }
            }
            if let Some(at) = it.due_at() {
                prop_assert!(
                    at > s(now) || !matches!(seen, Seen::Here | Seen::Gone),
                    "something is due and not done"
                );
            }
        }
        for pair in begun.windows(2) {
            prop_assert!(pair[1] - pair[0] >= 5, "restarts {} and {}", pair[0], pair[1]);
        }
        // Each of five begins at most four tries.
        let most = begun.iter().map(|at| begun.iter().filter(|b| (*at..at + 300).contains(b)).count()).max();
        prop_assert!(most.unwrap_or(0) <= 5 * 4);
    }
}
