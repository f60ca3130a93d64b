//! The real world's ports, made from the configuration.

use crate::config::{Configuration, Database};
use anyhow::{Context, anyhow};
use openstack::{Nova, Session};
use ports::{Clock, Entropy, HttpClient, SystemClock, SystemEntropy, Transport};
use std::sync::Arc;
use store::{Sql, SqlOptions};

/// Clock and chance of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Machine {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let entropy =
            SystemEntropy::new().map_err(|e| anyhow!("the kernel gives no chance: {e}"))?;
        Ok(Self { clock: Arc::new(SystemClock), entropy: Arc::new(entropy) })
    }

    pub(crate) fn nova(&self, configuration: &Configuration) -> anyhow::Result<Nova> {
        let http: Arc<dyn Transport> = Arc::new(HttpClient::new(&configuration.nova_http())?);
        let session = Session::new(
            configuration.service_user()?,
            http,
            self.clock.clone(),
            self.entropy.clone(),
        );
        Ok(Nova::new(session, configuration.nova()?))
    }

    /// The way to the operator's webhooks.
    pub(crate) fn web(&self, configuration: &Configuration) -> anyhow::Result<Arc<dyn Transport>> {
        let client = HttpClient::new(&configuration.webhook_http());
        Ok(Arc::new(client.context("[recovery_steps] webhooks cannot be spoken with")?))
    }

    pub(crate) async fn open(&self, database: &Database) -> anyhow::Result<Sql> {
        let pool = database.pool;
        let options = SqlOptions {
            max_connections: pool.connections_most,
            acquire_timeout: pool.wait,
            connection_lifetime: pool.lifetime,
            wsrep_sync_wait: pool.wsrep_sync_wait,
            adopt_every: pool.adopt_every,
            adopt_new_after: pool.adopt_new_after,
            ..SqlOptions::new(self.clock.clone(), self.entropy.clone())
        };
        let sql = Sql::connect(database.url.expose(), options.clone())
            .await
            .context("the database cannot be opened")?;
        let Some(progress) = &database.progress else { return Ok(sql) };
        sql.with_progress_at(progress.expose(), options)
            .await
            .context("the database of [taskflow] connection cannot be opened")
    }
}

/// The name of this machine, as the kernel has it.
pub(crate) fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
