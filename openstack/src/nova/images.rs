//! Glance, as far as recovery asks it: the properties of an image.

use super::Nova;
use crate::{AskError, Request, Service, Under};
use recovery::priority::Properties;
use serde_json::Value;

impl Nova {
    /// The properties of an image; `None` when there is none of this id any more.
    pub async fn image_properties(&self, id: &str) -> Result<Option<Properties>, AskError> {
        let config = &self.0.config;
        let glance = Service {
            types: vec!["image".into()],
            region: config.region_name.clone(),
            interface: config.interface,
            version: "v2",
            api: "image",
            ..Service::default()
        };
        let path = ["images", id];
        let request = Request::get(&glance, &path, config.list_deadline);
        // Not Nova's clock.
        match self.0.session.ask(Request { under: Under::Version, ..request }).await {
            Ok(reply) => Ok(Some(texts(&reply.body))),
            Err(AskError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An image's properties stand beside its fields, and are texts.
fn texts(image: &Value) -> Properties {
    let fields = image.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
