//! One value that many want and one fetches.

use std::{
    fmt::{self, Debug},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Callers that come while a fetch is under way wait for it and share how it ends, failure
/// included: a Keystone that is away is not asked once per waiter. A caller that gives up lets the
/// next one fetch.
pub(crate) struct Flight<T, E> {
    value: Mutex<Option<T>>,
    /// Held by who fetches; how the last fetch that failed did so.
    fetching: tokio::sync::Mutex<Option<E>>,
    failures: AtomicU64,
}

impl<T: Clone, E: Clone> Flight<T, E> {
    pub(crate) fn new() -> Self {
        let (value, fetching) = (Mutex::new(None), tokio::sync::Mutex::new(None));
        Self { value, fetching, failures: AtomicU64::new(0) }
    }

    /// The value that is there, without waiting for anybody.
    pub(crate) fn at_hand(&self) -> Option<T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value, if `is_good` takes the one that is there; otherwise what `fetch` brings.
    pub(crate) async fn get(
        &self,
        is_good: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let failures_before = self.failures.load(Ordering::SeqCst);
        let mut last_failure = self.fetching.lock().await;
        if let Some(value) = self.at_hand().filter(is_good) {
            return Ok(value);
        }
        if let Some(failure) = &*last_failure
            && self.failures.load(Ordering::SeqCst) != failures_before
        {
            return Err(failure.clone());
        }
        match fetch.await {
            Ok(value) => {
                let mut here = self.value.lock().unwrap_or_else(PoisonError::into_inner);
                *here = Some(value.clone());
                Ok(value)
            }
            Err(failure) => {
                *last_failure = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::SeqCst);
                Err(failure)
            }
        }
    }
}

impl<T, E> Debug for Flight<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight")
    }
}
