//! `monitoring_driver = kubernetes`.

use super::Driver;
use crate::config::environment;
use monitor::hosts::{
    Driven,
    kubernetes::{Kubernetes, OverHttp},
};
use std::sync::Arc;

pub(super) const DRIVER: Driver = Driver {
    names: &["kubernetes"],
    begin: |node| {
        let config = node.configuration.kubernetes(&environment())?;
        let source = Kubernetes::new(config, Arc::new(OverHttp), node.machine.clock.clone());
        Ok(Driven { source: Box::new(source), power: None })
    },
};
