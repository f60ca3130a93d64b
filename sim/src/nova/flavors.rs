//! The one flavor that every server has, and the limits that nobody reaches.

use super::refuse;
use crate::http::{Answered, Reply};
use crate::shape::Want;
use crate::state::State;
use serde_json::{Map, Value, json};

const ID: &str = "1";
const NAME: &str = "m1.tiny";
/// What each server needs; its root disk is a volume.
pub(crate) const VCPUS: u64 = 1;
pub(crate) const RAM_MB: u64 = 512;

/// As servers show it below 2.47 (a link) and from then on (the flavor itself).
pub(super) fn of_a_server(base: &str, minor: u32, wants: Option<Want>) -> Value {
    let specs: Map<String, Value> = wants
        .and_then(Want::extra_spec)
        .map(|(key, text)| (key.into(), json!(text)))
        .into_iter()
        .collect();
    match minor {
        47.. => json!({ "vcpus": VCPUS, "ram": RAM_MB, "disk": 1, "ephemeral": 0, "swap": 0,
                        "original_name": NAME, "extra_specs": specs }),
        _ => json!({ "id": ID, "links": [{ "rel": "bookmark",
                        "href": format!("{base}/compute/flavors/{ID}") }] }),
    }
}

impl State {
    fn flavor(&self) -> Value {
        let href = format!("{}/compute/v2.1/flavors/{ID}", self.shape.endpoints.base);
        json!({ "id": ID, "name": NAME, "ram": RAM_MB, "disk": 1, "swap": 0, "vcpus": VCPUS,
                "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
                "os-flavor-access:is_public": true, "rxtx_factor": 1.0, "description": null,
                "extra_specs": {}, "links": [{ "rel": "self", "href": href }] })
    }

    pub(super) fn list_flavors(&self) -> Reply {
        Reply::json(200, json!({ "flavors": [self.flavor()] }))
    }

    pub(super) fn show_flavor(&self, id: &str) -> Answered {
        if id == ID {
            Ok(Reply::json(200, json!({ "flavor": self.flavor() })))
        } else {
            Err(refuse(404, &format!("Flavor {id} could not be found.")))
        }
    }

    pub(super) fn show_limits(&self) -> Reply {
        let servers = self.servers.len();
        let absolute = json!({
            "maxTotalInstances": 10_000, "maxTotalCores": 10_000, "maxTotalRAMSize": 10_240_000,
            "maxTotalKeypairs": 100, "maxServerMeta": 128, "maxServerGroups": 10,
            "maxServerGroupMembers": 10, "totalInstancesUsed": servers,
            "totalCoresUsed": servers, "totalRAMUsed": servers * 512, "totalServerGroupsUsed": 0,
        });
        Reply::json(200, json!({ "limits": { "rate": [], "absolute": absolute } }))
    }
}
