//! How many calls Nova gets at once, and whose.
//!
//! More while it answers quickly, one less when it takes long, half as many when it does not answer or says
//! that it has too much to do; one at a time while evacuations that it has taken wait too long for a host to begin with
//! them. Not logged: after a restart it begins low, because whoever restarts knows nothing of Nova.

use crate::Millis;
use alloc::collections::BTreeMap;

/// Calls in flight at the start.
const START: usize = 8;
/// A call that took longer than this does not ask for more of them.
const QUICK_MS: u64 = 8_000;
/// After one that took longer than this there is one less.
const SLOW_MS: u64 = 20_000;

/// The pace of one engine towards one Nova.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    limit: usize,
    most: usize,
    /// How many answers to calls that were in flight when it was halved last are still to come: they tell
    /// the same once more.
    told_already: usize,
}

/// How a call to Nova went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered {
    /// It answered, whatever it said, after so many milliseconds.
    After { ms: u64 },
    /// It did not, or said that it is overloaded.
    Overloaded,
}

impl Pace {
    /// A pace that never exceeds `most` calls at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { limit: START.min(most), most, told_already: 0 }
    }

    /// Another bound, from now on.
    pub fn bound(&mut self, most: usize) {
        self.most = most.max(1);
        self.limit = self.limit.min(self.most);
    }

    /// Learns from one call, beside which `in_flight` others are.
    pub fn learn(&mut self, answered: Answered, in_flight: usize) {
        let again = self.told_already > 0;
        self.told_already = self.told_already.saturating_sub(1);
        match answered {
            Answered::After { ms } if ms <= QUICK_MS => {
                self.limit = (self.limit + 1).min(self.most);
            }
            Answered::After { ms } if ms <= SLOW_MS => {}
            Answered::After { .. } => self.limit = (self.limit - 1).max(1),
            Answered::Overloaded if again => {}
            Answered::Overloaded => {
                self.limit = (self.limit / 2).max(1);
                self.told_already = in_flight;
            }
        }
    }

    /// How many calls there may be at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// Whose calls they are: of several recoveries that could go on, each gets its share, and what is too
/// little for all goes to whoever has waited longest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fair<K: Ord> {
    of: BTreeMap<K, Served>,
    /// How often somebody got something.
    turns: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Served {
    in_flight: usize,
    /// When it got something last.
    turn: u64,
    /// It had more to do than it was allowed.
    hungry: bool,
}

impl<K: Ord> Default for Fair<K> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), turns: 0 }
    }
}

impl<K: Ord> Fair<K> {
    /// Begins to count for `who`, as the least served.
    pub fn join(&mut self, who: K) {
        self.of.insert(who, Served { in_flight: 0, turn: 0, hungry: false });
    }

    pub fn leave(&mut self, who: &K) {
        self.of.remove(who);
    }

    /// How many more calls `who` may start of the `room` that is left of `limit`.
    #[must_use]
    pub fn allowed(&self, who: &K, limit: usize, room: usize) -> usize {
        let Some(own) = self.of.get(who) else { return 0 };
        let others = || self.of.iter().filter(|(k, s)| *k != who && s.hungry).map(|(_, s)| s);
        let share = limit.div_ceil(others().count() + 1);
        let before = others().filter(|other| other.turn < own.turn);
        let theirs: usize = before.map(|other| share.saturating_sub(other.in_flight)).sum();
        room.saturating_sub(theirs).min(share.saturating_sub(own.in_flight))
    }

    /// `who` gets so many, and would have got more if it is `hungry`.
    pub fn gets(&mut self, who: &K, calls: usize, hungry: bool) {
        let Some(own) = self.of.get_mut(who) else { return };
        own.hungry = hungry;
        if calls > 0 {
            self.turns = self.turns.saturating_add(1);
            own.turn = self.turns;
        }
    }

    /// A call of `who` begins.
    pub fn begins(&mut self, who: &K) {
        if let Some(own) = self.of.get_mut(who) {
            own.in_flight += 1;
        }
    }

    /// One call of `who` is over.
    pub fn ended(&mut self, who: &K) {
        if let Some(own) = self.of.get_mut(who) {
            own.in_flight = own.in_flight.saturating_sub(1);
        }
    }
}

/// How often the recoveries of one engine look at their servers: all together a quarter of the time, because
/// each look costs Nova what it could move servers with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Looks<K: Ord> {
    /// Who looks, and when it did last.
    last: BTreeMap<K, Millis>,
}

impl<K: Ord> Default for Looks<K> {
    fn default() -> Self {
        Self { last: BTreeMap::new() }
    }
}

impl<K: Ord> Looks<K> {
    /// The least and the most time between two looks of one recovery that is alone.
    const EVERY_MS: (u64, u64) = (700, 10_000);
    /// So much more of both for each of the others, and the most of all: what went wrong is seen by then.
    const OTHER_MS: (u64, u64) = (20, 2_000);
    const MOST_MS: u64 = 60_000;
    /// Looking takes one part in so many of the time.
    const PART: u64 = 4;
    /// Who has not looked for so long does not look any more.
    const FORGOTTEN_MS: i64 = 90_000;

    /// `who` has looked, which took so many milliseconds: how many until it may look again.
    pub fn next(&mut self, who: K, took_ms: u64, now: Millis) -> u64 {
        self.last.retain(|_, at| now.since(*at) <= Self::FORGOTTEN_MS);
        self.last.insert(who, now);
        let looking = u64::try_from(self.last.len()).unwrap_or(u64::MAX);
        let every = took_ms.saturating_mul(Self::PART).saturating_mul(looking);
        let (least, alone) = Self::EVERY_MS;
        let others = looking.saturating_sub(1);
        let more = |each_ms: u64| others.saturating_mul(each_ms);
        let least = least.saturating_add(more(Self::OTHER_MS.0)).min(Self::MOST_MS);
        let most = alone.saturating_add(more(Self::OTHER_MS.1)).min(Self::MOST_MS);
        every.saturating_sub(took_ms).clamp(least, most)
    }

    pub fn leave(&mut self, who: &K) {
        self.last.remove(who);
    }
}

/// Nova's queue: evacuations that it has taken and that no host has begun. To ask for more while it is long makes it longer,
/// and nobody's VMs are back sooner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue<K: Ord> {
    /// Since when the first of each recovery waits.
    since: BTreeMap<K, Millis>,
}

impl<K: Ord> Default for Queue<K> {
    fn default() -> Self {
        Self { since: BTreeMap::new() }
    }
}

impl<K: Ord> Queue<K> {
    /// Longer than this nothing waits in a Nova that is well: its services wait as long for each other's answers
    /// (`rpc_response_timeout`).
    const LONG_MS: i64 = 60_000;

    /// What is seen of the evacuations of `who`.
    pub fn saw(&mut self, who: K, since: Option<Millis>) {
        match since {
            Some(since) => drop(self.since.insert(who, since)),
            None => drop(self.since.remove(&who)),
        }
    }

    pub fn leave(&mut self, who: &K) {
        self.since.remove(who);
    }

    /// How many calls there may be at once, of as many as the pace allows.
    #[must_use]
    pub fn limit(&self, limit: usize, now: Millis) -> usize {
        let is_long = self.since.values().any(|since| now.since(*since) >= Self::LONG_MS);
        if is_long { limit.min(1) } else { limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn while_nova_keeps_what_it_has_taken_waiting_it_is_asked_one_at_a_time() {
        let mut queue = Queue::default();
        queue.saw("a", Some(Millis(0)));
        queue.saw("b", Some(Millis(30_000)));
        assert_eq!(queue.limit(20, Millis(59_999)), 20);
        assert_eq!(queue.limit(20, Millis(60_000)), 1);
        queue.saw("a", Some(Millis(20_000)));
        assert_eq!((queue.limit(20, Millis(60_000)), queue.limit(20, Millis(80_000))), (20, 1));
        queue.saw("a", None);
        assert_eq!((queue.limit(20, Millis(80_000)), queue.limit(20, Millis(90_000))), (20, 1));
        queue.leave(&"b");
        assert_eq!(queue.limit(20, Millis(90_000)), 20);
    }

    #[test]
    fn whoever_looks_alone_looks_a_quarter_of_the_time() {
        let mut looks = Looks::default();
        assert_eq!(looks.next("a", 1_000, Millis(0)), 3_000);
        assert_eq!(looks.next("a", 0, Millis(4_000)), 700);
        assert_eq!(looks.next("a", 9_000, Millis(5_000)), 10_000);
    }

    #[test]
    fn of_several_who_look_all_together_look_a_quarter_of_the_time() {
        let mut looks = Looks::default();
        looks.next("a", 1_000, Millis(0));
        assert_eq!(looks.next("b", 1_000, Millis(10)), 7_000);
        assert_eq!(looks.next("a", 1_000, Millis(20)), 7_000);
        assert_eq!(looks.next("b", 9_000, Millis(30)), 12_000);
    }

    #[test]
    fn however_many_look_each_does_within_a_minute() {
        let mut looks = Looks::default();
        let waits: Vec<u64> = (0..40).map(|who| looks.next(who, 9_000, Millis(0))).collect();
        assert_eq!((waits[0], waits[1], waits[24], waits[39]), (10_000, 12_000, 58_000, 60_000));
    }

    #[test]
    fn however_quick_looks_are_there_are_at_most_fifty_a_second() {
        let mut looks = Looks::default();
        let waits: Vec<u64> = (0..4_000).map(|who| looks.next(who, 0, Millis(0))).collect();
        assert_eq!((waits[0], waits[1], waits[999], waits[3_999]), (700, 720, 20_680, 60_000));
    }

    #[test]
    fn who_has_ended_or_looks_no_more_is_not_counted() {
        let mut looks = Looks::default();
        looks.next("a", 1_000, Millis(0));
        looks.next("b", 1_000, Millis(1_000));
        looks.leave(&"a");
        assert_eq!(looks.next("b", 1_000, Millis(2_000)), 3_000);
        looks.next("c", 1_000, Millis(3_000));
        assert_eq!(looks.next("b", 1_000, Millis(93_001)), 3_000);
    }

    #[test]
    fn who_waits_for_as_long_as_anybody_may_is_counted() {
        let mut looks = Looks::default();
        looks.next("a", 1_000, Millis(0));
        assert_eq!(looks.next("b", 1_000, Millis(90_000)), 7_000);
    }

    const QUICK: Answered = Answered::After { ms: 300 };

    #[test]
    fn it_grows_while_nova_is_quick_up_to_its_bound() {
        let mut pace = Pace::new(20);
        assert_eq!(pace.limit(), 8);
        for _ in 0..100 {
            pace.learn(QUICK, 5);
        }
        assert_eq!(pace.limit(), 20);
    }

    #[test]
    fn another_bound_holds_from_then_on() {
        let mut pace = Pace::new(20);
        pace.bound(3);
        assert_eq!(pace.limit(), 3);
        pace.bound(0);
        assert_eq!(pace.limit(), 1);
        pace.bound(5);
        for _ in 0..10 {
            pace.learn(QUICK, 0);
        }
        assert_eq!(pace.limit(), 5);
    }

    #[test]
    fn it_halves_when_nova_is_overloaded_but_never_stops() {
        let mut pace = Pace::new(20);
        for wanted in [4, 2, 1, 1] {
            pace.learn(Answered::Overloaded, 0);
            assert_eq!(pace.limit(), wanted);
        }
    }

    #[test]
    fn calls_that_fail_together_halve_it_once() {
        let mut pace = Pace::new(20);
        for left in (0..8).rev() {
            pace.learn(Answered::Overloaded, left);
        }
        assert_eq!(pace.limit(), 4);
        pace.learn(Answered::Overloaded, 3);
        assert_eq!(pace.limit(), 2);
    }

    #[test]
    fn it_does_not_grow_while_nova_is_slow_and_shrinks_when_it_is_very_slow() {
        let mut pace = Pace::new(20);
        pace.learn(Answered::After { ms: 9_000 }, 0);
        assert_eq!(pace.limit(), 8);
        for wanted in [7, 6, 5] {
            pace.learn(Answered::After { ms: 25_000 }, 0);
            assert_eq!(pace.limit(), wanted);
        }
    }

    impl Fair<&'static str> {
        fn may(&self, who: &'static str, limit: usize) -> usize {
            let in_flight: usize = self.of.values().map(|served| served.in_flight).sum();
            self.allowed(&who, limit, limit.saturating_sub(in_flight))
        }

        /// As many of `wanted` as it may.
        fn starts(&mut self, who: &'static str, wanted: usize, limit: usize) -> usize {
            let calls = self.may(who, limit).min(wanted);
            self.gets(&who, calls, wanted > calls);
            (0..calls).for_each(|_| self.begins(&who));
            calls
        }
    }

    #[test]
    fn alone_it_gets_everything_and_a_second_one_soon_gets_half() {
        let mut fair = Fair::default();
        fair.join("a");
        assert_eq!(fair.starts("a", 100, 8), 8);
        fair.join("b");
        assert_eq!(fair.starts("b", 100, 8), 0);
        // What ends goes to whoever has less, however much that has done before.
        for _ in 0..4 {
            fair.ended(&"a");
            assert_eq!((fair.starts("a", 100, 8), fair.starts("b", 100, 8)), (0, 1));
        }
        fair.ended(&"a");
        assert_eq!((fair.starts("b", 100, 8), fair.starts("a", 100, 8)), (0, 1));
    }

    #[test]
    fn with_more_recoveries_than_calls_each_comes_its_turn() {
        let mut fair = Fair::default();
        let names = ["a", "b", "c", "d", "e"];
        names.into_iter().for_each(|who| fair.join(who));
        let mut all = BTreeMap::new();
        for _ in 0..50 {
            let started = names.map(|who| (who, fair.starts(who, 100, 2)));
            for (who, calls) in started {
                (0..calls).for_each(|_| fair.ended(&who));
                *all.entry(who).or_insert(0) += calls;
            }
        }
        // Who asks first in each round has a little more.
        assert!(all.values().all(|calls| (15..=27).contains(calls)), "{all:?}");
        assert!(all.values().sum::<usize>() >= 98, "of 100: {all:?}");
    }

    #[test]
    fn one_that_cannot_go_on_keeps_nobody_back_and_makes_nothing_up_later() {
        let mut fair = Fair::default();
        ["a", "b"].into_iter().for_each(|who| fair.join(who));
        for _ in 0..10 {
            assert_eq!((fair.starts("b", 0, 8), fair.starts("a", 100, 8)), (0, 8));
            (0..8).for_each(|_| fair.ended(&"a"));
        }
        assert_eq!((fair.starts("b", 100, 8), fair.starts("a", 100, 8)), (4, 4));
    }
}
