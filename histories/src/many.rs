//! Many histories at once, on all processors, and what they come to in sum.

use crate::{
    coverage::{self, Coverage},
    scene::Scene,
    tale,
};
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// What many histories came to.
#[derive(Clone, Default, Debug)]
pub struct Sum {
    pub told: u64,
    /// Seeds, and what broke.
    pub failed: Vec<(u64, String)>,
    /// How long each was.
    pub events: Vec<usize>,
    pub coverage: Coverage,
}

impl Sum {
    /// How many things happened in half of the histories, at least.
    #[must_use]
    pub fn median_events(&self) -> usize {
        let mut events = self.events.clone();
        events.sort_unstable();
        events.get(events.len() / 2).copied().unwrap_or(0)
    }
}

/// Tells the histories of the seeds `from` until before `until`; `progress` hears of each that is told.
pub fn tell_all(
    (from, until): (u64, u64),
    scene: impl Fn(u64) -> Scene + Sync,
    progress: impl Fn(u64, usize) + Sync,
) -> Sum {
    let (next, sum) = (AtomicU64::new(from), Mutex::new(Sum::default()));
    let some = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= until {
            return;
        }
        let told = tale::told(scene(seed));
        let mut sum = sum.lock().unwrap();
        sum.told += 1;
        match told {
            Ok(told) => {
                sum.events.push(coverage::events(&told.stage));
                sum.coverage.add(&Coverage::of(&told.stage));
                sum.failed.extend(told.outcome.err().map(|broken| (seed, broken)));
            }
            Err(broken) => sum.failed.push((seed, broken)),
        }
        progress(sum.told, sum.failed.len());
    };
    let at_a_time = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|threads| {
        (0..at_a_time).for_each(|_| drop(threads.spawn(some)));
    });
    let mut sum = sum.into_inner().unwrap();
    sum.failed.sort();
    sum
}
