//! What changed in the cloud, asked for once for all recoveries of this engine.
//!
//! Nova tells what has changed since a moment for the whole cloud only. Where many hosts die together, each of their
//! recoveries would list what happens to the servers of all of them, and again and again. So there is one list at a
//! time; who wants to know meanwhile waits for the next one, which serves all of them; and each change is listed once.
//!
//! ```text
//!  recovery A ──┐ since its cursor          ┌─► one list since the last one ──► rows, each with the list that showed it
//!  recovery B ──┼───────────────► turn ─────┤                                       │
//!  recovery C ──┘                           └◄──────── those since one's cursor ◄───┘
//! ```
//!
//! Nobody is served by a list that had begun when he asked: it may not show what he did before.

use futures::lock::Mutex;
use openstack::{AskError, Cursor};
use ports::{Boot, Clock};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Of the time, lists take one part in so many: each costs Nova what it could move servers with.
const PART: u32 = 4;
/// The least and the most time between the end of a list and the next one.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// What was shown so long ago is forgotten; who has a cursor older than that lists anew.
const KEPT: Duration = Duration::from_secs(90);

/// Lists of what changed, as `R`s by `K`; `C` says up to when one goes.
#[derive(Debug)]
pub(crate) struct Feed<K, R, C = Cursor> {
    /// Lists that have begun.
    begun: Cell<u64>,
    rests_until: Cell<Boot>,
    known: Mutex<Known<K, R, C>>,
}

/// What the lists have shown.
#[derive(Debug)]
struct Known<K, R, C> {
    rows: BTreeMap<K, (C, R)>,
    /// The lists whose rows are there, as each is gone on from, and when it was here.
    lists: Vec<(C, Boot)>,
    /// All changes since then are known.
    from: Option<C>,
    /// The last list by its number, and how it went.
    last: (u64, Result<(), AskError>),
}

/// The rows that somebody has not seen yet, and those that the list has shown whose cursor he has: they are true still.
pub(crate) struct Fresh<'k, K, R, C> {
    rows: &'k BTreeMap<K, (C, R)>,
    since: C,
}

impl<K, R, C> Default for Feed<K, R, C> {
    fn default() -> Self {
        let known =
            Known { rows: BTreeMap::new(), lists: Vec::new(), from: None, last: (0, Ok(())) };
        Self { begun: Cell::new(0), rests_until: Cell::new(Boot(0)), known: Mutex::new(known) }
    }
}

impl<K: Ord + Clone, R: Clone, C: Ord + Copy> Feed<K, R, C> {
    /// Before that nobody is served.
    pub(crate) fn rests_until(&self) -> Boot {
        self.rests_until.get()
    }

    /// What of the changes since `since` is wanted, by a list that begins now or later, and the cursor to go on from.
    ///
    /// # Errors
    /// When that list failed: for all who waited for it.
    pub(crate) async fn since<T>(
        &self,
        clock: &dyn Clock,
        since: C,
        list: impl AsyncFnOnce(C) -> Result<(Vec<(K, R)>, C), AskError>,
        wanted: impl FnOnce(Fresh<'_, K, R, C>) -> T,
    ) -> Result<(T, C), AskError> {
        let asked_at = self.begun.get();
        let mut known = self.known.lock().await;
        let mut serves = None;
        if known.last.0 > asked_at {
            known.last.1.clone()?;
            serves = known.upto().filter(|_| known.from.is_some_and(|from| from <= since));
        }
        let upto = match serves {
            Some(upto) => upto,
            None => {
                let rest = self.rests_until.get().since(clock.boot());
                if !rest.is_zero() {
                    clock.sleep(rest).await;
                }
                self.list(&mut known, clock, since, list).await?
            }
        };
        // Nova's clock may have been set back.
        let since = since.min(upto);
        Ok((wanted(Fresh { rows: &known.rows, since }), upto))
    }

    async fn list(
        &self,
        known: &mut Known<K, R, C>,
        clock: &dyn Clock,
        since: C,
        list: impl AsyncFnOnce(C) -> Result<(Vec<(K, R)>, C), AskError>,
    ) -> Result<C, AskError> {
        let began = clock.boot();
        let number = self.begun.get() + 1;
        self.begun.set(number);
        known.forget(began);
        let from = known.from.filter(|from| *from <= since).unwrap_or(since);
        let listed = list(known.upto().filter(|_| known.from == Some(from)).unwrap_or(from)).await;
        let now = clock.boot();
        self.rests_until.set(now.plus((now.since(began) * (PART - 1)).clamp(REST.0, REST.1)));
        match listed {
            Ok((rows, upto)) => {
                known.from = Some(from);
                known.rows.extend(rows.into_iter().map(|(key, row)| (key, (upto, row))));
                known.lists.push((upto, now));
                known.last = (number, Ok(()));
                Ok(upto)
            }
            Err(error) => {
                known.last = (number, Err(error.clone()));
                Err(error)
            }
        }
    }
}

impl<K: Ord, R, C: Ord + Copy> Known<K, R, C> {
    /// Where the next list goes on from.
    fn upto(&self) -> Option<C> {
        self.lists.last().map(|(upto, _)| *upto)
    }

    /// Forgets old lists; what is left is known from the last of them on.
    fn forget(&mut self, now: Boot) {
        let old = self.lists.partition_point(|(_, here)| now.since(*here) > KEPT);
        let Some((upto, _)) = self.lists.drain(..old).last() else { return };
        self.rows.retain(|_, (list, _)| *list > upto);
        self.from = if self.lists.is_empty() { None } else { self.from.max(Some(upto)) };
    }
}

impl<K: Ord, R: Clone, C: Ord> Fresh<'_, K, R, C> {
    /// Those of these keys.
    pub(crate) fn of(&self, keys: &BTreeSet<K>) -> BTreeMap<K, R>
    where
        K: Clone,
    {
        let row = |key: &K| {
            let (list, row) = self.rows.get(key)?;
            (*list >= self.since).then(|| (key.clone(), row.clone()))
        };
        keys.iter().filter_map(row).collect()
    }

    /// Those with keys in a range.
    pub(crate) fn within(&self, range: impl std::ops::RangeBounds<K>) -> Vec<R> {
        let fresh = self.rows.range(range).filter(|(_, (list, _))| *list >= self.since);
        fresh.map(|(_, (_, row))| row.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
