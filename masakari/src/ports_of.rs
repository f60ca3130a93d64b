//! The real world's ports, made from the configuration.

use crate::config::{Configuration, Database, Pool};
use anyhow::{Context, anyhow};
use openstack::{Nova, NovaToRead, Session, instance_ha::Client};
use ports::{Clock, Entropy, HttpClient, ReadOnly, SystemClock, SystemEntropy, Transport};
use std::{path::Path, sync::Arc};
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

    /// The same, to ask and not to change.
    pub(crate) fn nova_to_read(&self, configuration: &Configuration) -> anyhow::Result<NovaToRead> {
        let (user, way) = (configuration.service_user()?, way_to_read(configuration)?);
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Ok(NovaToRead::new(user, way, clock, entropy, configuration.nova()?))
    }

    /// The Masakari of the catalogue, to ask and not to change.
    pub(crate) fn masakari_to_read(&self, configuration: &Configuration) -> anyhow::Result<Client> {
        let (user, way) = (configuration.service_user()?, way_to_read(configuration)?);
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Ok(Client::new(Session::new(user, Arc::new(way), clock, entropy)))
    }

    /// The way to the operator's webhooks.
    pub(crate) fn web(&self, configuration: &Configuration) -> anyhow::Result<Arc<dyn Transport>> {
        let client = HttpClient::new(&configuration.webhook_http());
        Ok(Arc::new(client.context("[recovery_steps] webhooks cannot be spoken with")?))
    }

    fn sql_options(&self, pool: Pool) -> SqlOptions {
        SqlOptions {
            max_connections: pool.connections_most,
            acquire_timeout: pool.wait,
            connection_lifetime: pool.lifetime,
            wsrep_sync_wait: pool.wsrep_sync_wait,
            adopt_every: pool.adopt_every,
            adopt_new_after: pool.adopt_new_after,
            ..SqlOptions::new(self.clock.clone(), self.entropy.clone())
        }
    }

    /// The database of a shadow, with its schema.
    pub(crate) async fn open_shadow(&self, path: &Path) -> anyhow::Result<Sql> {
        let options = SqlOptions::new(self.clock.clone(), self.entropy.clone());
        let sql = Sql::shadow(path, options).await?;
        sql.sync().await?;
        Ok(sql)
    }

    /// A database by which an engine acts.
    pub(crate) async fn open_to_act(&self, database: &Database) -> anyhow::Result<Sql> {
        let sql = self.open(database).await?;
        // One that is away now is looked for again, and is no file.
        let shadow = sql.is_a_shadow().await.unwrap_or(false);
        anyhow::ensure!(
            !shadow,
            "[database] connection is the database of a shadow: what it was shown was not reported to an engine"
        );
        Ok(sql)
    }

    pub(crate) async fn open(&self, database: &Database) -> anyhow::Result<Sql> {
        let options = self.sql_options(database.pool);
        let sql = Sql::connect(database.url.expose(), options.clone())
            .await
            .context("the database cannot be opened")?;
        let Some(progress) = &database.progress else { return Ok(sql) };
        sql.with_progress_at(progress.expose(), options)
            .await
            .context("the database of [taskflow] connection cannot be opened")
    }
}

fn way_to_read(configuration: &Configuration) -> anyhow::Result<ReadOnly> {
    Ok(ReadOnly::of(Arc::new(HttpClient::new(&configuration.nova_http())?)))
}

/// The name of this machine, as the kernel has it.
pub(crate) fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is mirrored there was not reported to an engine, and would be recovered.
    #[tokio::test]
    async fn no_engine_acts_by_the_database_of_a_shadow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shadow.sqlite");
        let machine = Machine::new().unwrap();
        drop(machine.open_shadow(&path).await.unwrap());
        let at = |path: &Path| {
            let text = format!("[database]\nconnection = sqlite:///{}\n", path.display());
            Configuration::of_text(&text).database().unwrap()
        };
        let refused = machine.open_to_act(&at(&path)).await.unwrap_err().to_string();
        assert!(refused.contains("is the database of a shadow"), "{refused}");
        let own = folder.path().join("masakari.sqlite");
        machine.open_to_act(&at(&own)).await.unwrap().sync().await.unwrap();
        let foreign = machine.open_shadow(&own).await.unwrap_err().to_string();
        assert!(foreign.contains("was not made by one"), "{foreign}");
    }
}
