//! Whole requests to our API: whoever sends them, the answer is never a failure of ours.

use crate::in_no_time;
use api::{ApiState, Auth, Config, LongLists, RULES};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use openstack::{AuthConfig, Nova, NovaConfig, Session};
use oslo::policy::Enforcer;
use ports::{Answer, Ask, Clock, Entropy, SeededEntropy, Transport, TransportError};
use sim::{Shape, SimClock, World};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::Memory;
use tower::ServiceExt;

pub(crate) const READERS: &[fn(&[u8])] = &[one];

/// So many requests in a row, each on what the former left.
const REQUESTS_MOST: usize = 4;
/// What lies between two of them.
const BETWEEN: u8 = b'\x1e';

/// The cloud, at once.
#[derive(Debug)]
struct AtOnce(World);

#[async_trait]
impl Transport for AtOnce {
    async fn send(&self, ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        Ok(self.0.handle(&ask))
    }
}

fn one(bytes: &[u8]) {
    let answered = in_no_time(async {
        let app = app();
        for piece in bytes.split(|byte| *byte == BETWEEN).take(REQUESTS_MOST) {
            let Some(request) = request(piece) else { continue };
            let Ok(answer) = app.clone().oneshot(request).await;
            let status = answer.status();
            // An engine may be asked for something, and there is none.
            let is_ours = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
            assert!(!is_ours, "{status}");
            assert!(answer.into_body().collect().await.is_ok(), "the answer breaks off");
        }
    });
    debug_assert!(answered.is_some(), "there is no runtime");
}

fn app() -> axum::Router {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let world = World::new(1, Arc::clone(&clock), Shape::default());
    let auth = AuthConfig {
        auth_url: "http://cloud.test/identity/v3".into(),
        username: Some(sim::USER.into()),
        password: oslo::Secret::new(sim::PASSWORD),
        project_name: Some(sim::PROJECT.into()),
        default_domain_id: Some("default".into()),
        ..AuthConfig::default()
    };
    let session = Session::new(auth, Arc::new(AtOnce(world)), Arc::clone(&clock), entropy.clone());
    let (policy, _) = Enforcer::new(RULES, &BTreeMap::new(), "default");
    api::app(ApiState {
        store: Arc::new(Memory::new()),
        nova: Nova::new(session, NovaConfig::default()),
        auth: Auth::NoAuth,
        policy: Arc::new(policy),
        clock,
        entropy,
        wake: Arc::new(|| {}),
        config: Config::default(),
        long_lists: LongLists::default(),
    })
}

/// `METHOD PATH`, lines of headers, an empty line, the body. What HTTP itself does not carry is none.
fn request(piece: &[u8]) -> Option<http::Request<axum::body::Body>> {
    let mut lines = piece.splitn(2, |byte| *byte == b'\n');
    let (first, mut rest) = (lines.next()?, lines.next().unwrap_or_default());
    let (method, path) = first.split_at(first.iter().position(|byte| *byte == b' ')?);
    let mut request = http::Request::builder().method(method).uri(path.get(1..)?);
    // Who is believed.
    request = request.header("x-auth-token", "admin:demo");
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let (name, value) = line.split_at(colon);
        request = request.header(name, value.get(1..)?);
    }
    request.body(axum::body::Body::from(Bytes::copy_from_slice(rest))).ok()
}
