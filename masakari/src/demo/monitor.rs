//! A stand-in for a host monitor, in a few lines: it takes Nova's word for a host's death.
//!
//! A real one (Masakari's `hostmonitor` with Pacemaker or Consul) looks at the hosts itself. Like a real
//! one, this one reports what it saw until the report is accepted, as long as it still holds.

use super::stage::News;
use crate::ports_of::Machine;
use openstack::{
    AskError, Nova,
    instance_ha::{Client, NewNotification},
};
use ports::Clock;
use recovery::{HostName, Millis, NotificationId, seen::ComputeService};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc::Sender;

/// How often Nova is asked.
const EVERY: Duration = Duration::from_millis(500);

pub(super) struct Monitor {
    nova: Nova,
    client: Client,
    clock: Arc<dyn Clock>,
    news: Sender<News>,
    down: BTreeMap<HostName, Down>,
}

/// What is known of a host that is down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Down {
    SeenOnce,
    Reported,
}

impl Monitor {
    pub(super) fn new(nova: Nova, client: Client, machine: &Machine, news: Sender<News>) -> Self {
        Self { nova, client, clock: machine.clock.clone(), news, down: BTreeMap::new() }
    }

    /// Watches for as long as the process lives.
    pub(super) async fn watch(mut self) {
        loop {
            self.clock.sleep(EVERY).await;
            match self.nova.compute_services().await {
                Ok(services) => {
                    for service in services {
                        self.judge(service).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "the monitor cannot ask Nova"),
            }
        }
    }

    async fn judge(&mut self, service: ComputeService) {
        let host = service.host;
        match (service.up, self.down.get(&host)) {
            (true, _) => {
                self.down.remove(&host);
            }
            (false, None) => {
                self.down.insert(host.clone(), Down::SeenOnce);
                let _ = self.news.send(News::Silent { host }).await;
            }
            (false, Some(Down::SeenOnce)) => self.report(host).await,
            (false, Some(Down::Reported)) => {}
        }
    }

    async fn report(&mut self, host: HostName) {
        let payload =
            json!({ "event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL" });
        let report = NewNotification {
            kind: "COMPUTE_HOST".into(),
            hostname: host.as_str().to_owned(),
            generated_time: in_words(self.clock.wall()),
            payload: payload.as_object().cloned().unwrap_or_default(),
        };
        match self.client.notify(&report).await {
            Ok(accepted) => {
                self.down.insert(host.clone(), Down::Reported);
                let id = NotificationId::new(accepted.notification_uuid);
                let _ = self.news.send(News::Reported { host, id }).await;
            }
            Err(AskError::Conflict { message, .. }) => {
                self.down.insert(host.clone(), Down::Reported);
                let _ = self.news.send(News::NotTaken { host, why: message }).await;
            }
            Err(error) => tracing::warn!(%host, %error, "not reported; trying again"),
        }
    }
}

/// As Python's monitors write it.
fn in_words(at: Millis) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
