//! One value that many want and one fetches.

use std::{
    fmt::{self, Debug},
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::Mutex;

/// Callers that come while a fetch is under way wait for it and share how it ends, failure
/// included: a Keystone that is away is not asked once per waiter. A caller that gives up lets the
/// next one fetch.
pub(crate) struct Flight<T, E> {
    landed: Mutex<Landed<T, E>>,
    failures: AtomicU64,
}

struct Landed<T, E> {
    value: Option<T>,
    failure: Option<E>,
}

impl<T: Clone, E: Clone> Flight<T, E> {
    pub(crate) fn new() -> Self {
        let landed = Mutex::new(Landed { value: None, failure: None });
        Self { landed, failures: AtomicU64::new(0) }
    }

    /// The value, if `is_good` takes the one that is there; otherwise what `fetch` brings.
    pub(crate) async fn get(
        &self,
        is_good: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let failures_before = self.failures.load(Ordering::SeqCst);
        let mut landed = self.landed.lock().await;
        if let Some(value) = landed.value.as_ref().filter(|value| is_good(value)) {
            return Ok(value.clone());
        }
        if let Some(failure) = &landed.failure
            && self.failures.load(Ordering::SeqCst) != failures_before
        {
            return Err(failure.clone());
        }
        match fetch.await {
            Ok(value) => {
                landed.value = Some(value.clone());
                Ok(value)
            }
            Err(failure) => {
                landed.failure = Some(failure.clone());
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
