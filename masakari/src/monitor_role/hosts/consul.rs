//! `monitoring_driver = consul`.

use super::Driver;
use monitor::hosts::{
    Driven,
    consul::{Agent, Consul},
};
use ports::{HttpClient, HttpClientConfig};
use std::sync::Arc;

pub(super) const DRIVER: Driver = Driver {
    names: &["consul"],
    begin: |node| {
        let config = node.configuration.consul()?;
        let http = Arc::new(HttpClient::watching(&HttpClientConfig::default(), &config.tls)?);
        let clock = node.machine.clock.clone();
        let agent = |base| Agent::new(base, config.token.clone(), http.clone(), clock.clone());
        let agents = config.agents.into_iter().map(|(network, base)| (network, agent(base)));
        let source = Consul::new(config.matrix, agents.collect(), config.interval, clock.clone())?;
        Ok(Driven { source: Box::new(source), power: None })
    },
};
