//! How early a server moves: a number from the first place that says one.
//!
//! The server's own metadata comes before its flavor, that before its image, that before the
//! aggregates of its host. A larger number goes earlier; who says nothing has 0. HA_Enabled comes before
//! any number.

use crate::seen::Server;
use alloc::{collections::BTreeMap, string::String};

/// The names under which priorities are looked for; empty: not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// `[recovery] priority_metadata_key`.
    pub metadata: String,
    /// `[recovery] priority_flavor_key`.
    pub flavor: String,
    /// `[recovery] priority_image_key`.
    pub image: String,
    /// `[recovery] priority_aggregate_key`.
    pub aggregate: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            metadata: "HA_Priority".into(),
            flavor: String::new(),
            image: String::new(),
            aggregate: String::new(),
        }
    }
}

/// Names and values, as Nova and Glance keep them.
pub type Properties = BTreeMap<String, String>;

impl Keys {
    /// The priority of `server`. `image` has the properties of its image, `aggregates` those of its host's
    /// aggregates, of which the highest counts.
    #[must_use]
    pub fn of(
        &self,
        server: &Server,
        image: Option<&Properties>,
        aggregates: &[Properties],
    ) -> i64 {
        self.find(server, image, aggregates).unwrap_or(0)
    }

    /// The number that is found first; `None` where nothing says one.
    #[must_use]
    pub fn find(
        &self,
        server: &Server,
        image: Option<&Properties>,
        aggregates: &[Properties],
    ) -> Option<i64> {
        let highest = aggregates.iter().filter_map(|a| number(a, &self.aggregate)).max();
        number(&server.metadata, &self.metadata)
            .or_else(|| number(&server.hints.flavor, &self.flavor))
            .or_else(|| number(image?, &self.image))
            .or(highest)
    }
}

/// What is no whole number says nothing.
fn number(properties: &Properties, key: &str) -> Option<i64> {
    if key.is_empty() { None } else { properties.get(key)?.trim().parse().ok() }
}
