//! Answers: HTTP, Masakari's JSON and our own `/ha/v1`, tokens and policy.
//!
//! The only room that serves the protocol. It parses, asks the store, and answers; it recovers
//! nothing itself and never talks to an engine: a report becomes a row, and what only an engine may decide
//! becomes a request, another row, whose answer is waited for a little. An engine in the same
//! process is woken by [`ApiState::wake`].
//!
//! ```text
//!  envelope ── /             door   versions      the version document, for everybody
//!  request id  /healthcheck  door   healthcheck   for load balancers
//!  one log     /v1, /v1/{project}   v1            token, route, microversion, then one file per noun:
//!  line per                                       segments hosts notifications vmoves extensions
//!  fault       /ha/v1               ha            what Masakari does not have
//! ```
//!
//! `/v1` answers as recorded answers of Python Masakari do, byte for byte where clients could see
//! a difference; `tests/golden` holds the recording and the list of where ours differs.

mod accept;
mod ask;
mod auth;
mod called;
mod config;
mod cors;
mod door;
mod envelope;
mod evidence;
mod extensions;
mod fault;
mod fencing;
mod foresee;
mod guard;
mod guests;
mod ha;
mod hand;
mod health;
mod healthcheck;
mod hosts;
mod identity;
mod json;
mod long_lists;
mod microversion;
mod notifications;
mod patience;
mod policy;
mod printable;
mod query;
mod returns;
mod route;
mod schema;
mod segments;
mod serve;
mod stops;
mod timestamp;
mod tls;
mod told;
mod v1;
mod versions;
mod vmoves;

pub use auth::Auth;
pub use config::Config;
pub use cors::Cors;
pub use health::{HealthBackend, Healthcheck};
pub use http::HeaderName;
pub use ipnet::IpNet;
pub use long_lists::LongLists;
pub use policy::RULES;
pub use serve::{Listening, Peer, serve};
pub use tls::{Tls, TlsError};

use axum::{Router, middleware};
use openstack::nova::Nova;
use oslo::policy::Enforcer;
use ports::{Clock, Entropy};
use std::{fmt, sync::Arc};
use store::Store;

/// Everything that answers are made from.
#[derive(Clone)]
pub struct ApiState {
    pub store: Arc<dyn Store>,
    pub nova: Nova,
    pub auth: Auth,
    /// Made of [`RULES`] and the operator's overrides.
    pub policy: Arc<Enforcer>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Called when there is work, so that an engine in this process starts at once.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    pub config: Config,
    pub long_lists: LongLists,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("store", &self.store)
            .field("auth", &self.auth)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The whole API.
pub fn app(state: ApiState) -> Router {
    let state = Arc::new(state);
    let v1 = || axum::routing::any(v1::answer);
    let guarded = Router::new()
        .route("/v1", v1())
        .route("/v1/", v1())
        .route("/v1/{*path}", v1())
        .nest("/ha/v1", ha::router())
        .layer(middleware::from_fn_with_state(Arc::clone(&state), envelope::wrap));
    Router::new().merge(guarded).fallback(door::other).with_state(state)
}
