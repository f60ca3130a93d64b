//! Long lists take turns. A page of a thousand rows is a megabyte while it is made: more of them at once are made no
//! faster, and only need more memory.

use crate::fault::Fault;
use ports::Clock;
use std::{sync::Arc, time::Duration};
use store::Page;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A page with a limit above this is long.
const LONG: u64 = 100;
/// So many long ones are made at once, by a process.
const AT_ONCE_MOST: usize = 8;
/// Whoever has not had a turn by then is told to come again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who may make one; clones share their turns.
#[derive(Clone, Debug)]
pub struct LongLists(Arc<Semaphore>);

impl Default for LongLists {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE_MOST)))
    }
}

/// A turn at making one; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    /// Nothing for a short page.
    _permit: Option<SemaphorePermit<'a>>,
}

impl LongLists {
    /// A turn, in the order of those who ask; a short page is made at once.
    pub(crate) async fn turn(&self, clock: &dyn Clock, page: &Page) -> Result<Turn<'_>, Fault> {
        if page.limit.is_some_and(|limit| limit <= LONG) {
            return Ok(Turn { _permit: None });
        }
        let turn = ports::within(clock, PATIENCE, self.0.acquire()).await;
        let turn = turn.ok_or_else(|| {
            Fault::unavailable(
                "Many long lists are asked for at once; ask for shorter pages, or later",
            )
        })?;
        // The semaphore is never closed.
        Ok(Turn { _permit: turn.ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::SystemClock;

    fn page(limit: u64) -> Page {
        Page { limit: Some(limit), ..Page::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_list_waits_until_one_of_those_before_it_ends_and_a_short_one_does_not() {
        let lists = LongLists::default();
        let ask = async |limit| lists.turn(&SystemClock, &page(limit)).await;
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE_MOST {
            turns.push(ask(LONG + 1).await.unwrap());
        }
        let refused = ask(LONG + 1).await.unwrap_err();
        assert_eq!(refused.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(ask(LONG).await.is_ok());
        turns.pop();
        assert!(ask(LONG + 1).await.is_ok());
    }
}
