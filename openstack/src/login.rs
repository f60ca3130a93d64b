//! A token of Keystone's, with the catalogue that came with it.

use crate::{AskError, Reply, catalog::Catalog, moment};
use http::HeaderValue;
use ports::Boot;
use serde::Deserialize;
use std::time::Duration;

/// A token is renewed this long before it expires, as keystoneauth does.
const AHEAD_MS: i64 = 30_000;

/// A log-in that succeeded.
#[derive(Debug)]
pub(crate) struct Login {
    /// Marked sensitive: its `Debug` says nothing.
    pub(crate) token: HeaderValue,
    pub(crate) catalog: Catalog,
    /// By our boot clock, from before we asked: neither Keystone's clock nor ours has to be right.
    pub(crate) good_until: Boot,
    /// Tells this log-in from the one that replaced it.
    pub(crate) number: u64,
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    expires_at: String,
    issued_at: String,
    #[serde(default)]
    catalog: Catalog,
}

impl Login {
    /// Reads the answer to a log-in that was sent at `asked_at`.
    pub(crate) fn read(reply: Reply, asked_at: Boot, number: u64) -> Result<Self, AskError> {
        let strange = |expected| AskError::Rubbish {
            asked: Box::new(reply.asked.clone()),
            expected,
            excerpt: String::new(),
        };
        let mut token = reply
            .headers
            .get("x-subject-token")
            .ok_or_else(|| strange("a token in X-Subject-Token"))?
            .clone();
        token.set_sensitive(true);
        let times = strange("a token with its times");
        let body: Body = reply.read("a token")?;
        let (Some(issued), Some(expires)) =
            (moment::read(&body.token.issued_at), moment::read(&body.token.expires_at))
        else {
            return Err(times);
        };
        let good_ms = u64::try_from(expires.since(issued) - AHEAD_MS).unwrap_or(0);
        let good_until = asked_at.plus(Duration::from_millis(good_ms));
        Ok(Self { token, catalog: body.token.catalog, good_until, number })
    }
}
