//! Microversions and the documents by which clients negotiate them.

use super::refuse;
use crate::http::{Question, Reply};
use crate::state::State;
use serde_json::{Value, json};

/// The minor part of a microversion 2.x.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Microversion(pub(crate) u32);

impl Microversion {
    /// What the request asks for; 2.1 when it does not ask.
    /// `newest` is the newest that there is.
    pub(crate) fn wanted(q: &Question, newest: u32) -> Result<Self, Reply> {
        let modern = q.header("openstack-api-version").and_then(|value| {
            value.split(',').find_map(|part| part.trim().strip_prefix("compute").map(str::trim))
        });
        let Some(text) = modern.or_else(|| q.header("x-openstack-nova-api-version")) else {
            return Ok(Self(1));
        };
        if text == "latest" {
            return Ok(Self(newest));
        }
        let parts = text.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        match parts {
            Some((2, minor)) if (1..=newest).contains(&minor) => Ok(Self(minor)),
            Some(_) => Err(refuse(
                406,
                &format!(
                    "Version {text} is not supported by the API. Minimum is 2.1 and maximum is 2.{newest}."
                ),
            )),
            None => Err(refuse(
                400,
                &format!(
                    "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
                ),
            )),
        }
    }

    /// Says in the answer which version it speaks.
    pub(crate) fn stamp(self, reply: Reply) -> Reply {
        reply
            .with("openstack-api-version", format!("compute 2.{}", self.0))
            .with("x-openstack-nova-api-version", format!("2.{}", self.0))
            .with("vary", "OpenStack-API-Version")
            .with("vary", "X-OpenStack-Nova-API-Version")
    }
}

impl State {
    pub(super) fn version_list(&self) -> Reply {
        Reply::json(200, json!({ "versions": [self.version("v2.0"), self.version("v2.1")] }))
    }

    pub(super) fn version_document(&self) -> Reply {
        Reply::json(200, json!({ "version": self.version("v2.1") }))
    }

    fn version(&self, id: &str) -> Value {
        let base = &self.shape.endpoints.base;
        let (status, newest, oldest, folder) = match id {
            "v2.1" => ("CURRENT", format!("2.{}", self.shape.newest), "2.1", "v2.1"),
            _ => ("SUPPORTED", String::new(), "", "v2"),
        };
        json!({
            "id": id, "status": status, "version": newest, "min_version": oldest,
            "updated": "2013-07-23T11:33:21Z",
            "links": [{ "rel": "self", "href": format!("{base}/compute/{folder}/") }],
        })
    }
}
