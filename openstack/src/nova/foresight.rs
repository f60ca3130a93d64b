//! What a forecast looks at besides servers and room: pinned zones, server groups and shares.

use super::{List, Microversion, Nova, servers::Row as ServerRow};
use crate::AskError;
use recovery::{HostName, ServerId, forecast::Policy, seen::Server};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Groups are listed by offset, and have no link to the next page.
const GROUPS_A_PAGE: usize = 1000;
const GROUP_PAGES_MAX: usize = 20;

/// A server group whose policy is a must.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerGroup {
    pub name: String,
    pub policy: Policy,
    pub members: Vec<ServerId>,
}

/// What a look at all servers of the cloud is to bring.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Inventory {
    /// Those on the hosts that were asked for, by host.
    pub servers: BTreeMap<HostName, Vec<Server>>,
    /// The zones to which owners have pinned them; nothing where this Nova (before 2.96) does not tell.
    pub pinned: Option<BTreeMap<ServerId, String>>,
    /// Where the others are that were asked for.
    pub elsewhere: BTreeMap<ServerId, HostName>,
    /// There were more on those hosts than were wanted, and the rest was not listed.
    pub too_many: bool,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    name: String,
    /// From 2.64 on.
    #[serde(default)]
    policy: Option<String>,
    /// Before.
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    rules: Rules,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Rules {
    max_server_per_host: Option<usize>,
}

impl Row {
    /// `None`: its policy is a wish.
    fn read(self) -> Option<ServerGroup> {
        let policy = match self.policy.as_ref().or_else(|| self.policies.first())?.as_str() {
            "anti-affinity" => Policy::Apart { most: self.rules.max_server_per_host.unwrap_or(1) },
            "affinity" => Policy::Together,
            _ => return None,
        };
        let members = self.members.into_iter().map(ServerId::new).collect();
        Some(ServerGroup { name: self.name, policy, members })
    }
}

#[derive(Deserialize)]
struct Pinned {
    id: String,
    #[serde(default)]
    pinned_availability_zone: Option<String>,
}

impl Nova {
    /// The server groups of all projects whose policy is a must.
    pub async fn server_groups(&self) -> Result<Vec<ServerGroup>, AskError> {
        let mut groups = Vec::new();
        for page in 0..GROUP_PAGES_MAX {
            let (limit, offset) = (GROUPS_A_PAGE.to_string(), groups_before(page));
            let query =
                [("all_projects", "True"), ("limit", limit.as_str()), ("offset", offset.as_str())];
            let reply = self.get(&["os-server-groups"], &query).await?;
            let rows: Vec<Row> = reply.read_under("server_groups")?;
            let is_last = rows.len() < GROUPS_A_PAGE;
            groups.extend(rows.into_iter().filter_map(Row::read));
            if is_last {
                break;
            }
        }
        Ok(groups)
    }

    /// The zones to which owners have pinned servers of `host`. A Nova before 2.96 does not tell.
    pub async fn pinned_zones(
        &self,
        host: &HostName,
    ) -> Result<BTreeMap<ServerId, String>, AskError> {
        let at = Microversion::PINNED_ZONE;
        if let Some(newest) = self.older_than(at).await? {
            return Err(AskError::TooOld { service: "Nova", newest, needed: at.to_string() });
        }
        let query = [("host", host.as_str()), ("all_tenants", "1"), ("limit", "1000")];
        let reply = self.get_at(&["servers", "detail"], &query, at).await?;
        let rows: Vec<Pinned> = reply.read_under("servers")?;
        let zone = |row: Pinned| Some((ServerId::new(row.id), row.pinned_availability_zone?));
        Ok(rows.into_iter().filter_map(zone).collect())
    }

    /// Lists all servers of the cloud, once, and keeps those on these `hosts`, `most` at most, and where `others` are.
    pub async fn inventory(
        &self,
        hosts: &BTreeSet<HostName>,
        others: &BTreeSet<ServerId>,
        most: usize,
    ) -> Result<Inventory, AskError> {
        let at = Microversion::PINNED_ZONE;
        let tells_zones = self.older_than(at).await?.is_none();
        let (mut found, mut kept) = (Inventory::default(), 0);
        let mut pinned = BTreeMap::new();
        let query = [("all_tenants", "1")];
        let list = List { path: &["servers", "detail"], query: &query, name: "servers", at };
        let asked = self.page_by_page(
            &list,
            |row: &ServerRow| &row.id,
            |page, asked| {
                for mut row in page {
                    let zone = row.pinned_availability_zone.take();
                    let server = row.read(asked)?;
                    let Some(host) = server.host.clone() else { continue };
                    if hosts.contains(&host) {
                        kept += 1;
                        if kept <= most {
                            pinned.extend(zone.map(|zone| (server.id.clone(), zone)));
                            found.servers.entry(host).or_default().push(server);
                        }
                    } else if others.contains(&server.id) {
                        found.elsewhere.insert(server.id, host);
                    }
                }
                Ok(())
            },
        );
        asked.await?;
        Ok(Inventory { pinned: tells_zones.then_some(pinned), too_many: kept > most, ..found })
    }

    /// Whether Nova has a share mounted in this server. One before 2.97 has none.
    pub async fn has_share(&self, id: &ServerId) -> Result<bool, AskError> {
        let at = Microversion::SHARES;
        if self.older_than(at).await?.is_some() {
            return Ok(false);
        }
        match self.get_at(&["servers", id.as_str(), "shares"], &[], at).await {
            Ok(reply) => Ok(!reply.read_under::<Vec<Value>>("shares")?.is_empty()),
            // It was deleted meanwhile.
            Err(AskError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn groups_before(page: usize) -> String {
    (page * GROUPS_A_PAGE).to_string()
}
