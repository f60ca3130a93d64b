//! The word to stop, for all who work: who asks again after it was said hears it again.
//!
//! Loops ask it in several places, and a future that has ended must not be asked again.

use futures::{
    FutureExt,
    future::{FusedFuture, Shared},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// See the module.
pub(crate) struct ToStop<S: Future<Output = ()>>(Shared<S>);

impl<S: Future<Output = ()>> ToStop<S> {
    pub(crate) fn at(shutdown: S) -> Self {
        Self(shutdown.shared())
    }
}

// Derived it would want `S: Clone`.
impl<S: Future<Output = ()>> Clone for ToStop<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Future<Output = ()>> Future for ToStop<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_terminated() { Poll::Ready(()) } else { self.0.poll_unpin(context) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::oneshot;

    #[test]
    fn it_is_heard_again_by_whoever_asks_again() {
        let (say, said) = oneshot::channel::<()>();
        let mut one = ToStop::at(said.map(drop));
        let mut other = one.clone();
        assert_eq!((&mut one).now_or_never(), None);
        say.send(()).unwrap();
        for _ in 0..3 {
            assert_eq!(
                ((&mut one).now_or_never(), (&mut other).now_or_never()),
                (Some(()), Some(()))
            );
        }
        assert_eq!(one.clone().now_or_never(), Some(()), "and by who comes later");
    }
}
