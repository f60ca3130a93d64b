//! `monitoring_driver = lease`: leases in etcd.

use super::Driver;
use monitor::{
    hosts::{Driven, lease::Leases},
    lease::Observer,
};

pub(super) const DRIVER: Driver = Driver {
    names: &["lease"],
    begin: |node| {
        let configuration = &node.configuration;
        let clock = node.machine.clock.clone();
        let (etcd, prefix) = (configuration.lease_etcd()?, configuration.lease_prefix());
        let observer = Observer::new(etcd, prefix, configuration.lease_boots_in(), clock.clone());
        let interval = configuration.hosts(node.hostname.clone())?.interval;
        Ok(Driven { source: Box::new(Leases::new(observer, interval, clock)), power: None })
    },
};
