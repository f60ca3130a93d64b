//! Long lists take turns, and their text is in pieces. A page of a thousand rows is a megabyte while it is made:
//! more of them at once are made no faster, and only need more memory.

use crate::fault::Fault;
use bytes::Bytes;
use ports::Clock;
use serde::Serialize;
use std::{io, mem, sync::Arc, time::Duration};
use store::Page;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A page with a limit above this is long.
const LONG: u64 = 100;
/// So many long ones are made at once, by a process.
const AT_ONCE_MOST: usize = 4;
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

/// Smaller than what an allocator asks of the system each time, and gives back.
const PIECE_BYTES: usize = 64 * 1024;

/// A long text that is not moved while it grows, and goes piece by piece when it is sent.
#[derive(Default)]
pub(crate) struct Pieces {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Pieces {
    pub(crate) fn of_json(body: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut pieces = Self::default();
        serde_json::to_writer(&mut pieces, body)?;
        Ok(pieces)
    }

    /// Bytes in all.
    pub(crate) fn bytes(&self) -> usize {
        self.full.iter().map(Bytes::len).sum::<usize>() + self.last.len()
    }

    /// In their order.
    pub(crate) fn into_sent(mut self) -> impl Iterator<Item = Bytes> {
        self.full.push(self.last.into());
        self.full.into_iter()
    }
}

impl io::Write for Pieces {
    #[inline]
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.last.len() == self.last.capacity() {
            let full = mem::replace(&mut self.last, Vec::with_capacity(PIECE_BYTES));
            if !full.is_empty() {
                self.full.push(full.into());
            }
        }
        let (now, _) = text.split_at(text.len().min(self.last.capacity() - self.last.len()));
        self.last.extend_from_slice(now);
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    #[test]
    fn the_pieces_of_a_long_text_are_the_text() {
        let list: Vec<String> = (0..20_000).map(|n| format!("{n} \"€\"")).collect();
        let whole = serde_json::to_vec(&list).unwrap();
        let pieces = Pieces::of_json(&list).unwrap();
        assert_eq!(pieces.bytes(), whole.len());
        let sent: Vec<Bytes> = pieces.into_sent().collect();
        assert!(sent.len() > 3);
        assert!(sent.iter().all(|piece| (1..=PIECE_BYTES).contains(&piece.len())));
        assert_eq!(sent.concat(), whole);
    }
}
