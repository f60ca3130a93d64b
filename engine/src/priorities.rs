//! How early each server moves: what Nova and Glance keep of it, its flavor, its image and its host.

use crate::{Engine, turn::chain};
use recovery::{
    HostName, ServerId,
    priority::{Keys, Properties},
    seen::Server,
};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// The priorities that are not 0. An order that cannot be learnt keeps nobody waiting.
    pub(crate) async fn priorities(
        &self,
        host: &HostName,
        servers: &[Server],
    ) -> BTreeMap<ServerId, i64> {
        let config = self.config();
        let keys = &config.priority;
        let images = self.images_of(servers, keys).await;
        let aggregates = self.aggregates_of(host, keys).await;
        let of = |server: &Server| {
            let image = server.hints.image.as_ref().and_then(|id| images.get(id));
            keys.of(server, image, &aggregates)
        };
        let all = servers.iter().map(|server| (server.id.clone(), of(server)));
        all.filter(|(_, priority)| *priority != 0).collect()
    }

    pub(crate) async fn images_of(
        &self,
        servers: &[Server],
        keys: &Keys,
    ) -> BTreeMap<String, Properties> {
        let mut images = BTreeMap::new();
        if keys.image.is_empty() {
            return images;
        }
        let ids: BTreeSet<&String> =
            servers.iter().filter_map(|server| server.hints.image.as_ref()).collect();
        for id in ids {
            match self.ports.nova.image_properties(id).await {
                Ok(found) => {
                    images.extend(found.map(|properties| (id.clone(), properties)));
                }
                Err(error) => {
                    // The others would not be answered either.
                    tracing::warn!(error = chain(&error), "priorities: images cannot be asked for");
                    return images;
                }
            }
        }
        images
    }

    async fn aggregates_of(&self, host: &HostName, keys: &Keys) -> Vec<Properties> {
        if keys.aggregate.is_empty() {
            return Vec::new();
        }
        match self.ports.nova.aggregates().await {
            Ok(all) => {
                let of = all.into_iter().filter(|aggregate| aggregate.hosts.contains(host));
                of.map(|aggregate| aggregate.metadata).collect()
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "priorities: aggregates cannot be asked for");
                Vec::new()
            }
        }
    }
}
