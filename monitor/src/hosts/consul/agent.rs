//! Asks one Consul agent: who its members are, and to be told when that may have changed.
//!
//! The list of members is the agent's own, and cannot be waited for. What can (a *blocking query*) is the list of critical checks, which
//! Consul's leader keeps: a member that fails or comes back changes it. So each turn waits there, and then reads the members. It is also
//! what tells that the network has a leader: an agent that reaches none knows nothing that counts.

use super::members::{BYTES_MOST, Members, Unusable};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use oslo::Secret;
use ports::{Answer, Ask, Clock, Transport, TransportError};
use std::{sync::Arc, time::Duration};

/// What an answer may take beyond what it was told to wait.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two turns: what changes more often is seen as often as this.
const PAUSE: Duration = Duration::from_millis(250);
/// After an answer that was none.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(2);
/// The leader may know of a change before this agent does: it is asked again so soon.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const WORDS_MOST: usize = 200;

/// One agent, and where its blocking query stands.
#[derive(Debug)]
pub struct Agent {
    /// `http://host:port`
    base: String,
    token: Option<Secret>,
    http: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Where the last wait ended; 0: nowhere.
    index: u64,
    /// The next wait is short.
    is_fresh: bool,
    has_failed: bool,
}

/// Why it says nothing.
#[derive(thiserror::Error, Debug)]
pub enum Silent {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("its members are not used: {0}")]
    Unusable(#[from] Unusable),
    #[error(
        "it does not let us ask (403: {0}): [consul] token needs node:read, service:read and agent:read"
    )]
    Forbidden(String),
    /// `No cluster leader` and its like.
    #[error("{status}: {why}")]
    Refused { status: u16, why: String },
    #[error("{0:?} cannot be asked: it is host:port, or a URL")]
    Address(String),
}

impl Agent {
    #[must_use]
    pub fn new(
        base: String,
        token: Option<Secret>,
        http: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { base, token, http, clock, index: 0, is_fresh: false, has_failed: false }
    }

    /// Waits for `wait` at most until something may have changed, and then says who its members are. At once the first time.
    ///
    /// # Errors
    /// When its network is unknown.
    pub async fn turn(&mut self, wait: Duration) -> Result<Members, Silent> {
        let pause = if self.has_failed { PAUSE_AFTER_FAULT } else { PAUSE };
        if self.index > 0 || self.has_failed {
            self.clock.sleep(pause).await;
        }
        let turned = self.turned(wait).await;
        self.has_failed = turned.is_err();
        if turned.is_err() {
            self.index = 0;
        }
        turned
    }

    async fn turned(&mut self, wait: Duration) -> Result<Members, Silent> {
        let wait = if self.is_fresh { AGAIN_AFTER } else { wait };
        let blocking = match self.index {
            0 => String::new(),
            index => format!("?index={index}&wait={}ms", wait.as_millis()),
        };
        // Consul adds up to a sixteenth.
        let deadline = DEADLINE + wait + wait / 8;
        let changed = self.get(&format!("/v1/health/state/critical{blocking}"), deadline).await?;
        let index = index_of(changed.headers());
        self.is_fresh = self.index != 0 && index != self.index;
        // One that goes back was reset, as after a restore: begin anew, as Consul asks for.
        self.index = if index < self.index { 0 } else { index };
        let members = self.get("/v1/agent/members", DEADLINE).await?;
        Ok(Members::read(members.body())?)
    }

    async fn get(&self, path: &str, deadline: Duration) -> Result<Answer, Silent> {
        let mut ask = http::Request::get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            ask = ask.header("X-Consul-Token", token.expose());
        }
        let ask: Ask = ask.body(Bytes::new()).map_err(|_| Silent::Address(self.base.clone()))?;
        let answer = self.http.send(ask, deadline).await?;
        let why = || {
            let words = String::from_utf8_lossy(answer.body()).into_owned();
            words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MOST).collect()
        };
        match answer.status() {
            StatusCode::OK if answer.body().len() > BYTES_MOST => {
                Err(Unusable::Huge(answer.body().len()).into())
            }
            StatusCode::OK => Ok(answer),
            StatusCode::FORBIDDEN => Err(Silent::Forbidden(why())),
            status => Err(Silent::Refused { status: status.as_u16(), why: why() }),
        }
    }
}

/// Never 0, as Consul says of its own.
fn index_of(headers: &HeaderMap) -> u64 {
    let text = headers.get("X-Consul-Index").and_then(|index| index.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}
