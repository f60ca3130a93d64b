//! A connection on which nothing moves is ended: `[wsgi] client_socket_timeout`. Otherwise whoever connects and says
//! nothing, or stops in the middle of a handshake or a request, would hold a connection for ever.

use ports::{Boot, Clock};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads and writes of `inner` fail when neither has got any further for `limit`.
pub(crate) struct Patient<S> {
    inner: S,
    clock: Arc<dyn Clock>,
    limit: Option<Duration>,
    moved_at: Boot,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Patient<S> {
    /// Without a limit nothing is ended.
    pub(crate) fn new(inner: S, clock: Arc<dyn Clock>, limit: Option<Duration>) -> Self {
        let moved_at = clock.boot();
        Self { inner, clock, limit, moved_at, wait: None }
    }

    /// What `now` is for the caller: a wait that has been too long is an error.
    fn judged<T>(&mut self, now: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(limit) = self.limit else { return now };
        if now.is_ready() {
            self.moved_at = self.clock.boot();
            return now;
        }
        loop {
            let passed = self.clock.boot().since(self.moved_at);
            let Some(left) = limit.checked_sub(passed).filter(|left| !left.is_zero()) else {
                let what = format!("nothing moved for {} s", limit.as_secs());
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)));
            };
            let clock = &self.clock;
            let wait = self.wait.get_or_insert_with(|| {
                let clock = Arc::clone(clock);
                Box::pin(async move { clock.sleep(left).await })
            });
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Pin::new(&mut self.inner).poll_read(cx, into);
        self.judged(now, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let now = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judged(now, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let now = Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
        self.judged(now, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judged(now, cx)
    }
}
