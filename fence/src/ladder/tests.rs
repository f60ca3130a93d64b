//! Every path through the ladder, in words; and, by chance, that no other path proves anything.

use super::*;
use crate::machine::Told;
use proptest::prelude::*;
use recovery::evidence::Sign;

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn host() -> HostName {
    HostName::new("compute01")
}

fn rung(device: &str, means: Means) -> Rung {
    Rung { device: device.to_owned(), means }
}

fn on(rungs: &[Means]) -> Climb {
    let rungs = rungs.iter().enumerate().map(|(i, m)| rung(&format!("d{i}"), m.clone())).collect();
    let recorded = Machine { uuid: Some(UUID.to_owned()), ..Machine::default() };
    Climb::new(host(), recorded, rungs)
}

fn found(power: Power, at: i64) -> Heard {
    let told = Told { uuid: Some(UUID.to_owned()), serials: Vec::new() };
    Heard::Found { found: Found { power, machine: Some(told) }, at: Millis(at) }
}

fn power(power: Power, at: i64) -> Heard {
    Heard::Power { power, at: Millis(at) }
}

fn silence() -> Heard {
    Heard::Failed(Failure::NoAnswer("test".to_owned()))
}

fn seen(at: i64) -> Heard {
    let sighting = Sighting { host: host(), at: Millis(at), what: Sign::Heartbeat };
    Heard::Life(Ok(Some(sighting)))
}

fn quiet() -> Heard {
    Heard::Life(Ok(None))
}

/// The words of every rung's end, then what is proven and when.
fn after(mut climb: Climb, all: impl IntoIterator<Item = Heard>) -> (String, Option<(Kind, i64)>) {
    for heard in all {
        climb.hear(heard);
    }
    let words: Vec<&str> = climb.path().iter().map(|ended| ended.end.word()).collect();
    let proven = match climb.next() {
        Next::End(Verdict::Proven { kind, at, .. }) => Some((kind, at.0)),
        Next::End(Verdict::NotFenced) | Next::Do { .. } => None,
    };
    (words.join(" "), proven)
}

fn step(climb: &Climb) -> Step {
    match climb.next() {
        Next::Do { step, .. } => step,
        Next::End(verdict) => panic!("it has ended: {verdict:?}"),
    }
}

#[test]
fn a_host_with_power_is_examined_ordered_off_looked_at_twice_and_asked_after_elsewhere() {
    let mut climb = on(&[Means::Power]);
    assert_eq!(step(&climb), Step::Examine { after_ms: 0 });
    climb.hear(found(Power::On, 10));
    assert_eq!(step(&climb), Step::Off);
    climb.hear(Heard::Acknowledged);
    assert_eq!(step(&climb), Step::Look { after_ms: 0 });
    climb.hear(power(Power::On, 20));
    assert_eq!(step(&climb), Step::Look { after_ms: PAUSE_MS });
    climb.hear(power(Power::Off, 30));
    assert_eq!(step(&climb), Step::Look { after_ms: 0 });
    climb.hear(power(Power::Off, 40));
    assert_eq!(step(&climb), Step::SecondLook);
    let proven = ("proven".to_owned(), Some((Kind::PoweredOff, 30)));
    assert_eq!(after(climb, [quiet()]), proven, "it was true when the first of the two was asked");
}

#[test]
fn a_host_that_is_off_already_is_proven_without_an_order() {
    let off = [found(Power::Off, 10), power(Power::Off, 20), quiet()];
    let proven = ("already-off".to_owned(), Some((Kind::PoweredOff, 10)));
    assert_eq!(after(on(&[Means::Power]), off), proven);
}

#[test]
fn one_word_of_off_is_not_enough() {
    let flapping = [found(Power::Off, 10), power(Power::On, 20)];
    let mut climb = on(&[Means::Power]);
    flapping.into_iter().for_each(|heard| climb.hear(heard));
    assert_eq!(step(&climb), Step::Off);
    climb.hear(Heard::Acknowledged);
    for at in 0..50 {
        let now = if at % 2 == 0 { Power::Off } else { Power::On };
        climb.hear(power(now, 30 + at));
        if step(&climb) == Step::Off {
            climb.hear(Heard::Acknowledged);
        }
    }
    assert_eq!(after(climb, [Heard::OutOfTime]), ("stayed-on".to_owned(), None));
}

#[test]
fn a_word_of_off_before_a_silence_does_not_count_after_it() {
    let broken = [found(Power::On, 1), Heard::Acknowledged, power(Power::Off, 2), silence()];
    let mut climb = on(&[Means::Power]);
    broken.into_iter().for_each(|heard| climb.hear(heard));
    climb.hear(power(Power::Off, 9));
    assert!(matches!(step(&climb), Step::Look { .. }));
    let proven = ("proven".to_owned(), Some((Kind::PoweredOff, 9)));
    assert_eq!(after(climb, [power(Power::Off, 11), quiet()]), proven);
    let mut already = on(&[Means::Power]);
    [found(Power::Off, 1), silence()].into_iter().for_each(|heard| already.hear(heard));
    assert!(matches!(step(&already), Step::Examine { .. }));
}

#[test]
fn a_dead_device_leads_to_the_next_rung() {
    let climb = on(&[Means::Power, Means::Storage]);
    let dead = [silence(), silence(), silence()];
    let blocked = [
        Heard::Found { found: Found { power: Power::On, machine: None }, at: Millis(5) },
        Heard::Acknowledged,
        power(Power::Off, 6),
        power(Power::Off, 7),
        quiet(),
    ];
    let proven = ("no-answer proven".to_owned(), Some((Kind::StorageFenced, 6)));
    assert_eq!(after(climb, dead.into_iter().chain(blocked)), proven);
}

#[test]
fn answers_that_are_lost_now_and_then_do_not_end_the_rung() {
    let mut flapping = vec![silence(), silence(), found(Power::On, 1), silence()];
    flapping.extend([power(Power::On, 2), silence(), silence(), power(Power::Off, 3)]);
    flapping.extend([power(Power::Off, 4), quiet()]);
    let proven = ("proven".to_owned(), Some((Kind::PoweredOff, 3)));
    assert_eq!(after(on(&[Means::Power]), flapping), proven);
}

#[test]
fn wrong_credentials_are_not_tried_again_and_are_not_silence() {
    let wrong = Heard::Failed(Failure::WrongCredentials("401".to_owned()));
    assert_eq!(after(on(&[Means::Power]), [wrong]), ("wrong-credentials".to_owned(), None));
}

#[test]
fn another_machine_is_never_ordered_off() {
    let mut climb = on(&[Means::Power, Means::Power]);
    let told = Told { uuid: Some(UUID.replace('f', "e")), serials: Vec::new() };
    let other = Found { power: Power::Off, machine: Some(told) };
    climb.hear(Heard::Found { found: other, at: Millis(1) });
    assert_eq!(climb.next(), Next::Do { rung: 1, step: Step::Examine { after_ms: 0 } });
    let untold = Found { power: Power::On, machine: Some(Told::default()) };
    let heard = Heard::Found { found: untold, at: Millis(2) };
    assert_eq!(after(climb, [heard]), ("wrong-machine machine-not-told".to_owned(), None));
}

#[test]
fn a_device_that_lies_is_not_believed() {
    let lie =
        [found(Power::On, 1), Heard::Acknowledged, power(Power::Off, 2), power(Power::Off, 3)];
    let alive = lie.clone().into_iter().chain([seen(2 + SKEW_MS + 1)]);
    assert_eq!(after(on(&[Means::Power]), alive), ("seen-alive".to_owned(), None));
    let before = lie.into_iter().chain([seen(2 + SKEW_MS)]);
    let proven = ("proven".to_owned(), Some((Kind::PoweredOff, 2)));
    assert_eq!(after(on(&[Means::Power]), before), proven);
}

#[test]
fn where_nobody_else_can_be_asked_the_proof_says_so() {
    let mut climb = on(&[Means::Power]);
    let blind = Heard::Life(Err("Nova does not answer".to_owned()));
    for heard in [found(Power::Off, 1), power(Power::Off, 2), blind] {
        climb.hear(heard);
    }
    let Next::End(verdict) = climb.next() else { panic!("it goes on") };
    let evidence = verdict.evidence(&host(), climb.path()).unwrap();
    assert_eq!((evidence.kind, evidence.at), (Kind::PoweredOff, Millis(1)));
    assert!(evidence.raw.contains("Nova does not answer"), "{}", evidence.raw);
    assert!(evidence.source.contains("d0"), "{}", evidence.source);
}

#[test]
fn a_request_to_the_host_itself_proves_nothing_whatever_it_answers() {
    let obeyed = after(on(&[Means::Request]), [Heard::Acknowledged]);
    assert_eq!(obeyed, ("proves-nothing".to_owned(), None));
    assert_eq!(after(on(&[Means::Request]), [silence()]), ("no-answer".to_owned(), None));
    let claims = [power(Power::Off, 1), power(Power::Off, 2), quiet()];
    assert_eq!(after(on(&[Means::Request]), claims).1, None);
}

#[test]
fn a_person_is_told_and_nothing_is_proven() {
    let person = Means::Person { what: "pull the plug".to_owned() };
    let climb = on(&[person.clone(), Means::Power, person]);
    let dead = [silence(), silence(), silence()];
    let words = "needs-person no-answer needs-person";
    assert_eq!(after(climb, dead), (words.to_owned(), None));
}

#[test]
fn a_ladder_without_rungs_proves_nothing() {
    assert_eq!(on(&[]).next(), Next::End(Verdict::NotFenced));
}

#[test]
fn an_order_whose_answer_is_lost_is_followed_by_a_look() {
    let mut climb = on(&[Means::Power]);
    [found(Power::On, 1), silence()].into_iter().for_each(|heard| climb.hear(heard));
    assert!(matches!(step(&climb), Step::Look { .. }));
    let proven = ("proven".to_owned(), Some((Kind::PoweredOff, 2)));
    assert_eq!(after(climb, [power(Power::Off, 2), power(Power::Off, 3), quiet()]), proven);
}

#[test]
fn an_order_whose_answer_is_lost_is_given_again_at_once_where_the_host_still_has_power() {
    let mut climb = on(&[Means::Power]);
    let lost = [found(Power::On, 1), silence(), power(Power::On, 2)];
    lost.into_iter().for_each(|heard| climb.hear(heard));
    assert_eq!(step(&climb), Step::Off);
    let twice = [silence(), power(Power::On, 3), silence(), power(Power::On, 4)];
    assert_eq!(after(climb, twice), ("no-answer".to_owned(), None), "and not for ever");
}

#[test]
fn an_order_that_is_refused_counts_as_refused_unless_the_host_is_off_all_the_same() {
    let refused = || Heard::Failed(Failure::Refused("not supported".to_owned()));
    let stays = [found(Power::On, 1), refused(), power(Power::On, 2)];
    assert_eq!(after(on(&[Means::Power]), stays), ("refused".to_owned(), None));
    let off = [found(Power::On, 1), refused(), power(Power::Off, 2), power(Power::Off, 3), quiet()];
    let proven = ("already-off".to_owned(), Some((Kind::PoweredOff, 2)));
    assert_eq!(after(on(&[Means::Power]), off), proven);
}

#[test]
fn the_order_is_given_again_but_not_for_ever() {
    let mut climb = on(&[Means::Power]);
    climb.hear(found(Power::On, 0));
    let mut orders = 0;
    for at in 0..250 {
        match step(&climb) {
            Step::Off => {
                orders += 1;
                climb.hear(Heard::Acknowledged);
            }
            Step::Look { .. } => climb.hear(power(Power::On, at)),
            Step::Examine { .. } | Step::SecondLook => panic!("not now"),
        }
    }
    assert_eq!(orders, ORDERS_MAX);
}

#[test]
fn an_order_that_may_not_be_given_ends_the_climb_and_not_only_the_rung() {
    let may_not = || Heard::MayNot("it was seen alive".to_owned());
    // The next device would say that it is off.
    let off = || [found(Power::Off, 20), power(Power::Off, 30), quiet()];
    let heard = [found(Power::On, 10), may_not()].into_iter().chain(off());
    assert_eq!(after(on(&[Means::Power, Means::Power]), heard), ("may-not".to_owned(), None));
    let heard = [may_not()].into_iter().chain(off());
    assert_eq!(after(on(&[Means::Request, Means::Power]), heard), ("may-not".to_owned(), None));
}

fn anything() -> impl Strategy<Value = Heard> {
    let power_of = prop_oneof![Just(Power::On), Just(Power::Off), Just(Power::Between)];
    let machine = prop_oneof![
        Just(None),
        Just(Some(Told { uuid: Some(UUID.to_owned()), serials: Vec::new() })),
        Just(Some(Told { uuid: Some("other".to_owned()), serials: Vec::new() })),
    ];
    let failure = prop_oneof![
        Just(Failure::NoAnswer("x".to_owned())),
        Just(Failure::WrongCredentials("x".to_owned())),
        Just(Failure::Refused("x".to_owned())),
        Just(Failure::Garbled("x".to_owned())),
    ];
    let at = 0_i64..20_000;
    prop_oneof![
        2 => (power_of.clone(), machine, at.clone()).prop_map(|(power, machine, at)| Heard::Found {
            found: Found { power, machine },
            at: Millis(at)
        }),
        4 => (power_of, at.clone()).prop_map(|(p, at)| power(p, at)),
        2 => Just(Heard::Acknowledged),
        1 => Just(quiet()),
        1 => at.prop_map(seen),
        1 => Just(Heard::Life(Err("x".to_owned()))),
        2 => failure.prop_map(Heard::Failed),
        1 => Just(Heard::OutOfTime),
        1 => Just(Heard::MayNot("x".to_owned())),
    ]
}

proptest! {
    /// Whatever is heard, in any order: it leads somewhere, every rung ends at most once, and a proof comes
    /// only from a rung that can prove, right after two words of "off" and a second look that saw no life.
    #[test]
    fn nothing_but_two_words_of_off_and_a_quiet_second_look_proves(
        all in proptest::collection::vec(anything(), 0..60),
    ) {
        let means = [Means::Power, Means::Request, Means::Storage, Means::Person { what: "x".into() }];
        let mut climb = on(&means);
        let mut offs_in_a_row = 0;
        for heard in all {
            let before = climb.clone();
            climb.hear(heard.clone());
            prop_assert!(climb.path().len() <= means.len());
            let is_off = match &heard {
                Heard::Found { found, .. } => Some(found.power == Power::Off),
                Heard::Power { power, .. } => Some(*power == Power::Off),
                Heard::Failed(_) => Some(false),
                Heard::Acknowledged
                | Heard::Life(_)
                | Heard::OutOfTime
                | Heard::MayNot(_) => None,
            };
            match is_off {
                Some(true) => offs_in_a_row += 1,
                Some(false) => offs_in_a_row = 0,
                None => {}
            }
            if let (Next::Do { rung, step }, Next::End(Verdict::Proven { .. })) = (before.next(), climb.next()) {
                prop_assert_eq!(step, Step::SecondLook);
                prop_assert!(means[rung].proves().is_some());
                prop_assert!(matches!(heard, Heard::Life(_) | Heard::OutOfTime));
                prop_assert!(offs_in_a_row >= 2);
            }
            if matches!(climb.next(), Next::End(_)) {
                let end = climb.clone();
                climb.hear(heard);
                prop_assert_eq!(&climb, &end, "what has ended stays as it ended");
            }
        }
    }
}
