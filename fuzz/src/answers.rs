//! What Keystone, Nova and Placement say: an answer that is not understood is an error, and never "no servers".

use crate::in_no_time;
use async_trait::async_trait;
use bytes::Bytes;
use openstack::{Nova, NovaConfig, Session};
use ports::{Answer, Ask, SeededEntropy, Transport, TransportError};
use recovery::{HostName, ServerId};
use sim::SimClock;
use std::{sync::Arc, time::Duration};

pub(crate) const READERS: &[fn(&[u8])] =
    &[servers, one_server, services, evacuations, failure, nodes];

/// Answers every question with the same.
#[derive(Debug)]
struct Says(Bytes);

#[async_trait]
impl Transport for Says {
    async fn send(&self, _ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let (first, body) =
            (self.0.first().copied().unwrap_or(b'0'), self.0.slice(1.min(self.0.len())..));
        let status = match first {
            b'0'..=b'9' => 200,
            other => 200 + u16::from(other) * 2,
        };
        let lost = |_| TransportError::BrokeOff { from: "nova".into(), why: "it is none".into() };
        http::Response::builder().status(status).body(body).map_err(lost)
    }
}

/// Asks a Nova that says `bytes`.
fn ask<T>(bytes: &[u8], asks: impl AsyncFnOnce(Nova) -> T) {
    let Ok(endpoint) = "http://nova/v2.1".parse() else { return };
    let asked = in_no_time(async {
        let (clock, entropy) = (Arc::new(SimClock::new()), Arc::new(SeededEntropy::new(1)));
        let says = Arc::new(Says(Bytes::copy_from_slice(bytes)));
        let session = Session::none(endpoint, None, says, clock, entropy);
        asks(Nova::new(session, NovaConfig::default())).await
    });
    drop(asked);
}

fn host() -> HostName {
    HostName::new("compute-01")
}

fn server() -> ServerId {
    ServerId::new("3d22ac66-a2d0-4432-b0ca-30af8c2bc6c9")
}

fn servers(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| {
        let found = nova.servers_on(&host()).await;
        if let Ok(found) = &found {
            let text = String::from_utf8_lossy(bytes);
            assert!(text.contains("servers"), "it has no list and is read as one");
            assert!(found.iter().all(|s| text.contains(s.id.as_str())));
        }
    });
}

fn one_server(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| nova.server(&server()).await);
}

fn services(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| nova.compute_services().await);
}

fn evacuations(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| nova.evacuations_from(&host()).await);
}

fn failure(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| nova.evacuation_failure(&server()).await);
}

fn nodes(bytes: &[u8]) {
    ask(bytes, async |nova: Nova| nova.nodes_in_service().await);
}
