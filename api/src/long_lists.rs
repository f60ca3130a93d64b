//! Long lists take turns. A page of a thousand rows is a megabyte while it is made, and more of them at once
//! are not made any faster: they would only need more memory.

use store::Page;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A page with a limit above this is long.
const LONG: u64 = 100;
/// So many long ones are made at once, by a process.
const AT_ONCE_MOST: usize = 4;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE_MOST);

/// A turn at making one; ends when it is dropped.
pub(crate) struct Turn {
    /// Nothing for a short page.
    _permit: Option<SemaphorePermit<'static>>,
}

impl Turn {
    /// Waits for a turn, in the order of those who ask; a short page is made at once.
    pub(crate) async fn wait(page: &Page) -> Self {
        let long = page.limit.is_none_or(|limit| limit > LONG);
        // The semaphore is never closed.
        let _permit = if long { TURNS.acquire().await.ok() } else { None };
        Self { _permit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn page(limit: u64) -> Page {
        Page { limit: Some(limit), ..Page::default() }
    }

    #[test]
    fn a_fifth_long_list_waits_until_one_ends_and_a_short_one_does_not_wait() {
        let now = |limit| Turn::wait(&page(limit)).now_or_never();
        let mut turns: Vec<Turn> = (0..AT_ONCE_MOST).filter_map(|_| now(1000)).collect();
        assert_eq!(turns.len(), AT_ONCE_MOST);
        assert!(now(1000).is_none());
        assert!(now(LONG).is_some());
        turns.pop();
        assert!(now(1000).is_some());
    }
}
