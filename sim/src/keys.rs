//! What Nova's database has keys for. Without them a list of one host's servers would cost as much as one of
//! the whole cloud's, and a thousand hosts could not fail in one.

use crate::nova::{Instance, Migration};
use crate::state::State;
use recovery::{HostName, ServerId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct Keys {
    on_host: BTreeMap<HostName, OnHost>,
    /// Places in the list of migrations.
    from_host: BTreeMap<HostName, Vec<usize>>,
    of_server: BTreeMap<ServerId, Vec<usize>>,
}

#[derive(Debug, Default)]
struct OnHost {
    servers: BTreeSet<ServerId>,
    deleted: usize,
}

impl State {
    pub(crate) fn insert_server(&mut self, server: Instance) {
        let on = self.keys.on_host.entry(server.host.clone()).or_default();
        on.servers.insert(server.id.clone());
        self.servers.insert(server.id.clone(), server);
    }

    /// The server is on another host from now on, by the database.
    pub(crate) fn move_server(&mut self, id: &ServerId, to: &HostName) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if let Some(on) = self.keys.on_host.get_mut(&server.host) {
            on.servers.remove(id);
        }
        server.host = to.clone();
        self.keys.on_host.entry(to.clone()).or_default().servers.insert(id.clone());
    }

    /// The server, which is on that host, is being deleted.
    pub(crate) fn count_deleted(&mut self, host: &HostName) {
        if let Some(on) = self.keys.on_host.get_mut(host) {
            on.deleted += 1;
        }
    }

    /// The servers on a host by the database, deleted ones too, in the order of their ids.
    pub(crate) fn rows_on(&self, host: &HostName) -> impl Iterator<Item = &Instance> {
        let ids = self.keys.on_host.get(host).into_iter().flat_map(|on| &on.servers);
        ids.filter_map(|id| self.servers.get(id))
    }

    /// How many servers on a host are not deleted.
    pub(crate) fn count_on(&self, host: &HostName) -> usize {
        self.keys.on_host.get(host).map_or(0, |on| on.servers.len().saturating_sub(on.deleted))
    }

    pub(crate) fn insert_migration(&mut self, migration: Migration) {
        let place = self.migrations.len();
        self.keys.from_host.entry(migration.source.clone()).or_default().push(place);
        self.keys.of_server.entry(migration.server.clone()).or_default().push(place);
        self.migrations.push(migration);
    }

    /// The migrations away from a host, oldest first.
    pub(crate) fn migrations_from(&self, host: &HostName) -> impl Iterator<Item = &Migration> {
        self.at(self.keys.from_host.get(host))
    }

    /// The migrations of a server, oldest first.
    pub(crate) fn migrations_of(&self, server: &ServerId) -> impl Iterator<Item = &Migration> {
        self.at(self.keys.of_server.get(server))
    }

    fn at<'s>(&'s self, places: Option<&'s Vec<usize>>) -> impl Iterator<Item = &'s Migration> {
        places.into_iter().flatten().filter_map(|place| self.migrations.get(*place))
    }
}
