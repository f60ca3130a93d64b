//! What decides over servers and a list of them does not show: what owners' rules speak of, and how far live migrations are.
//! Nothing is asked for that no rule names, nor where none is under way.

use crate::{Engine, look::LookFailed, room::cannot_tell, turn::chain};
use openstack::AskError;
use recovery::{
    HostName,
    rules::{Facts, Owners},
    seen::Server,
};
use std::collections::BTreeSet;

impl Engine {
    /// The facts for `servers` of `host`. A rule is not passed over because something does not answer: that is
    /// an error, and asked again. What will never be answered (a Glance that there is not, or that refuses us)
    /// keeps nobody dead: such a rule fits no server.
    pub(crate) async fn facts(
        &self,
        owners: &Owners,
        host: Option<&HostName>,
        servers: &[Server],
    ) -> Result<Facts, LookFailed> {
        let mut facts = Facts::default();
        if servers.is_empty() {
            return Ok(facts);
        }
        if let Some(host) = host.filter(|_| servers.iter().any(|s| s.task.is_live_migration())) {
            facts.departures = self.ports.nova.departures_from(host).await?;
        }
        if let Some(host) = host.filter(|_| owners.wants_aggregates()) {
            let all = told(self.ports.nova.aggregates().await)?.unwrap_or_default();
            let of = all.into_iter().filter(|aggregate| aggregate.hosts.contains(host));
            facts.aggregates = of.map(|a| (a.aggregate.name, a.metadata)).collect();
        }
        if owners.wants_images() {
            let ids: BTreeSet<&String> =
                servers.iter().filter_map(|server| server.hints.image.as_ref()).collect();
            for id in ids {
                let Some(found) = told(self.ports.nova.image_properties(id).await)? else { break };
                facts.images.extend(found.map(|properties| (id.clone(), properties)));
            }
        }
        Ok(facts)
    }
}

/// The answer; nothing where there will be none.
fn told<T>(answer: Result<T, AskError>) -> Result<Option<T>, AskError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if cannot_tell(&error) => {
            tracing::error!(
                error = chain(&error),
                "what [recovery_rules] speak of cannot be asked for; such a rule fits no server"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
