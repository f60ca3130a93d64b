//! A way to a cloud on which nothing can be changed: questions pass, and the login that they need. Whatever else is asked
//! for fails here, and is not sent.
//!
//! It is a type of its own, and not a setting of a way: who is given this cannot be given the other one by mistake.

use crate::{Answer, Ask, Transport, TransportError};
use async_trait::async_trait;
use http::Method;
use std::{sync::Arc, time::Duration};

/// See the module.
#[derive(Clone, Debug)]
pub struct ReadOnly(Arc<dyn Transport>);

impl ReadOnly {
    /// What of `way` only asks.
    #[must_use]
    pub fn of(way: Arc<dyn Transport>) -> Self {
        Self(way)
    }
}

#[async_trait]
impl Transport for ReadOnly {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let logs_in =
            *ask.method() == Method::POST && ask.uri().path().ends_with("/v3/auth/tokens");
        if logs_in || *ask.method() == Method::GET || *ask.method() == Method::HEAD {
            return self.0.send(ask, deadline).await;
        }
        let to = ask.uri().to_string();
        let why = format!("nothing is changed in shadow mode, and {} would", ask.method());
        Err(TransportError::Unreachable { to, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Debug, Default)]
    struct Sent(Mutex<Vec<String>>);

    #[async_trait]
    impl Transport for Sent {
        async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
            self.0.lock().unwrap().push(format!("{} {}", ask.method(), ask.uri().path()));
            Ok(Answer::default())
        }
    }

    #[tokio::test]
    async fn questions_and_the_login_pass_and_nothing_else_does() {
        let sent = Arc::new(Sent::default());
        let way = ReadOnly::of(sent.clone());
        let ask = |method: &str, path: &str| {
            let uri = format!("http://cloud{path}");
            http::Request::builder().method(method).uri(uri).body(Default::default()).unwrap()
        };
        let deadline = Duration::from_secs(1);
        for (method, path) in [
            ("POST", "/identity/v3/auth/tokens"),
            ("GET", "/compute/v2.1/servers/detail"),
            ("HEAD", "/identity/v3/auth/tokens"),
        ] {
            way.send(ask(method, path), deadline).await.unwrap();
        }
        for (method, path) in [
            ("POST", "/compute/v2.1/servers/1/action"),
            ("PUT", "/compute/v2.1/os-services/1"),
            ("DELETE", "/identity/v3/auth/tokens"),
            ("PATCH", "/compute/v2.1/servers/1"),
            ("PUT", "/identity/v3/auth/tokens"),
            ("POST", "/compute/v2.1/auth/tokens"),
        ] {
            let refused = way.send(ask(method, path), deadline).await.unwrap_err();
            assert!(!refused.may_have_arrived(), "{method} {path}: {refused}");
        }
        assert_eq!(sent.0.lock().unwrap().len(), 3);
    }
}
