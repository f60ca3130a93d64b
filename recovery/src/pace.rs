//! How many calls Nova gets at once: more while it answers quickly, half as many when it does not.
//!
//! Not logged: after a restart it begins low, because whoever restarts knows nothing of Nova.

/// Calls in flight at the start.
const START: usize = 8;
/// A call that took longer than this does not ask for more of them.
const QUICK_MS: u64 = 8_000;

/// The pace of one engine towards one Nova.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    limit: usize,
    most: usize,
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
        Self { limit: START.min(most), most }
    }

    /// Another bound, from now on.
    pub fn bound(&mut self, most: usize) {
        self.most = most.max(1);
        self.limit = self.limit.min(self.most);
    }

    /// Learns from one call.
    pub fn learn(&mut self, answered: Answered) {
        self.limit = match answered {
            Answered::After { ms } if ms <= QUICK_MS => (self.limit + 1).min(self.most),
            Answered::After { .. } => self.limit,
            Answered::Overloaded => (self.limit / 2).max(1),
        };
    }

    /// How many more calls may start while `in_flight` are.
    #[must_use]
    pub fn room(&self, in_flight: usize) -> usize {
        self.limit.saturating_sub(in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_nova_is_quick_up_to_its_bound() {
        let mut pace = Pace::new(20);
        assert_eq!(pace.room(0), 8);
        for _ in 0..100 {
            pace.learn(Answered::After { ms: 300 });
        }
        assert_eq!(pace.room(5), 15);
    }

    #[test]
    fn another_bound_holds_from_then_on() {
        let mut pace = Pace::new(20);
        pace.bound(3);
        assert_eq!(pace.room(0), 3);
        pace.bound(0);
        assert_eq!(pace.room(0), 1);
        pace.bound(5);
        for _ in 0..10 {
            pace.learn(Answered::After { ms: 300 });
        }
        assert_eq!(pace.room(0), 5);
    }

    #[test]
    fn it_halves_when_nova_is_overloaded_but_never_stops() {
        let mut pace = Pace::new(20);
        pace.learn(Answered::Overloaded);
        assert_eq!(pace.room(0), 4);
        for _ in 0..10 {
            pace.learn(Answered::Overloaded);
        }
        assert_eq!(pace.room(0), 1);
    }

    #[test]
    fn it_does_not_grow_while_nova_is_slow() {
        let mut pace = Pace::new(20);
        pace.learn(Answered::After { ms: 9_000 });
        assert_eq!(pace.room(0), 8);
    }
}
