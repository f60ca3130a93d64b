//! What `cibadmin --query` prints of hosts: which are there, which were fenced since they were there last, and the BMC of each. Pure.

use super::crm_mon::{Unreadable, document};
use oslo::Secret;
use recovery::{HostName, Millis, verdict::names::same_host};
use roxmltree::Node as Element;
use std::collections::BTreeMap;

/// STONITH agents that speak IPMI.
const IPMI: &[&str] = &[
    "external/ipmi",
    "fence_ipmilan",
    "fence_ilo3",
    "fence_ilo4",
    "fence_ilo5",
    "fence_idrac",
    "fence_imm",
];

/// What is asked for: all of it, what a path finds, its resources.
const ROOTS: &[&str] = &["cib", "xpath-query", "node_state", "resources"];

/// The part of the CIB that matters here.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Cib {
    pub states: BTreeMap<String, State>,
    pub devices: Vec<Bmc>,
}

/// How it has a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Whether it is among the members; a remote that Pacemaker tries to reach again is not, although `crm_mon` shows it online.
    pub is_there: bool,
    /// When it was fenced, if it has not been there since; remotes only.
    pub fenced: Option<Millis>,
}

/// A BMC, as a STONITH device of the cluster has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bmc {
    /// The hosts that it has the power of.
    pub hosts: Vec<String>,
    pub address: String,
    pub port: Option<String>,
    pub user: String,
    pub password: Secret,
    /// ipmitool's `-I`.
    pub interface: String,
    /// ipmitool's `-C`.
    pub cipher: Option<String>,
}

impl Cib {
    /// Reads what the tool printed.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let document = document(text)?;
        let root = document.root_element();
        if !ROOTS.contains(&root.tag_name().name()) {
            return Err(Unreadable::OtherRoot(root.tag_name().name().to_owned()));
        }
        let mut cib = Self::default();
        for element in root.descendants() {
            if element.has_tag_name("node_state") {
                cib.states.extend(state(element));
            } else if element.has_tag_name("primitive") {
                cib.devices.extend(bmc(element));
            }
        }
        Ok(cib)
    }

    /// The BMC of `host`.
    #[must_use]
    pub fn bmc(&self, host: &HostName) -> Option<&Bmc> {
        let is_of = |name: &String| same_host(&HostName::new(name), host);
        self.devices.iter().find(|bmc| bmc.hosts.iter().any(is_of))
    }
}

/// `in_ccm` is a word, and since Pacemaker 2.1.7 the moment since when. `node_fenced` is a moment, and 0 as soon as the node is there
/// again.
fn state(element: Element<'_, '_>) -> Option<(String, State)> {
    let number = |name: &str| element.attribute(name).and_then(|text| text.parse::<i64>().ok());
    let is_there =
        element.attribute("in_ccm") == Some("true") || number("in_ccm").is_some_and(|at| at > 0);
    let fenced = number("node_fenced").filter(|at_s| *at_s > 1);
    let fenced = fenced.map(|at_s| Millis(at_s.saturating_mul(1000)));
    Some((element.attribute("uname")?.to_owned(), State { is_there, fenced }))
}

fn bmc(primitive: Element<'_, '_>) -> Option<Bmc> {
    let kind = primitive.attribute("type")?;
    if primitive.attribute("class") != Some("stonith") || !IPMI.contains(&kind) {
        return None;
    }
    let pairs: BTreeMap<&str, &str> = primitive
        .children()
        .filter(|element| element.has_tag_name("instance_attributes"))
        .flat_map(|attributes| attributes.children())
        .filter_map(|pair| Some((pair.attribute("name")?, pair.attribute("value")?)))
        .collect();
    let first = |names: &[&str]| names.iter().find_map(|name| pairs.get(name).copied());
    let is_lanplus = kind != "fence_ipmilan"
        || first(&["lanplus"]).is_some_and(|word| matches!(word, "1" | "true" | "yes" | "on"));
    let interface = first(&["interface"]).unwrap_or(if is_lanplus { "lanplus" } else { "lan" });
    Some(Bmc {
        hosts: hosts(first(&["hostname"]), first(&["pcmk_host_list"]), first(&["pcmk_host_map"])),
        address: first(&["ipaddr", "ip"])?.to_owned(),
        port: first(&["ipport"]).map(ToOwned::to_owned),
        user: first(&["userid", "username", "login"]).unwrap_or_default().to_owned(),
        password: Secret::new(first(&["passwd", "password"]).unwrap_or_default()),
        interface: interface.to_owned(),
        cipher: first(&["cipher"]).map(ToOwned::to_owned),
    })
}

/// `pcmk_host_map` is `node:port;node:port`.
fn hosts(name: Option<&str>, list: Option<&str>, map: Option<&str>) -> Vec<String> {
    let listed = list.into_iter().flat_map(|list| list.split([' ', ',', ';']));
    let mapped = map.into_iter().flat_map(|map| map.split([' ', ';']));
    let mapped = mapped.map(|pair| pair.split([':', '=']).next().unwrap_or(pair));
    let all = name.into_iter().chain(listed).chain(mapped);
    all.filter(|host| !host.is_empty()).map(ToOwned::to_owned).collect()
}
