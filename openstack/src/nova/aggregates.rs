//! Host aggregates: which hosts are in them, and adding and removing one.

use super::{Microversion, Nova};
use crate::{AskError, Repeat};
use http::Method;
use recovery::{HostName, priority::Properties, way::Aggregate};
use serde::Deserialize;
use serde_json::{Value, json};

/// An aggregate, its hosts and its metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAggregate {
    pub aggregate: Aggregate,
    pub hosts: Vec<HostName>,
    pub metadata: Properties,
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    metadata: Properties,
}

impl Nova {
    /// All host aggregates.
    pub async fn aggregates(&self) -> Result<Vec<HostAggregate>, AskError> {
        let reply = self.get(&["os-aggregates"], &[]).await?;
        let rows: Vec<Row> = reply.read_under("aggregates")?;
        let read = |row: Row| HostAggregate {
            aggregate: Aggregate { id: row.id, name: row.name },
            hosts: row.hosts.into_iter().map(HostName::new).collect(),
            metadata: row.metadata,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Puts `host` into an aggregate. Nova refuses (409) one that is in it already, and one whose
    /// availability zone would change; as for Python Masakari neither keeps a recovery from going on.
    pub async fn add_to_aggregate(&self, host: &HostName, id: i64) -> Result<(), AskError> {
        let body = json!({ "add_host": { "host": host.as_str() } });
        match self.change_aggregate(id, body).await {
            Err(AskError::Conflict { asked, message }) => {
                tracing::info!(%asked, message, "not added to the aggregate");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Takes `host` out of an aggregate; one that is not in it (404) is fine.
    pub async fn remove_from_aggregate(&self, host: &HostName, id: i64) -> Result<(), AskError> {
        let body = json!({ "remove_host": { "host": host.as_str() } });
        match self.change_aggregate(id, body).await {
            Err(AskError::NotFound { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    async fn change_aggregate(&self, id: i64, body: Value) -> Result<(), AskError> {
        let (path, deadline) = (id.to_string(), self.0.config.act_deadline);
        let path = ["os-aggregates", &path, "action"];
        let at = Microversion::SERVICES_BY_UUID;
        self.change(Method::POST, &path, body, at, (deadline, Repeat::IfNotArrived))
            .await
            .map(|_| ())
    }
}
