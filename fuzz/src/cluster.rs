//! What tools and servers say of a cluster's hosts.

use monitor::{
    hosts::{
        consul::members::Members,
        kubernetes::node,
        pacemaker::{cib::Cib, crm_mon::Cluster},
    },
    lease::etcd::Stored,
};

pub(crate) const READERS: &[fn(&[u8])] =
    &[crm_mon, cib, consul_members, kubernetes_page, kubernetes_event, kubernetes_said, lease];

fn crm_mon(bytes: &[u8]) {
    drop(Cluster::read(&String::from_utf8_lossy(bytes)));
}

fn cib(bytes: &[u8]) {
    drop(Cib::read(&String::from_utf8_lossy(bytes)));
}

fn consul_members(bytes: &[u8]) {
    drop(Members::read(bytes));
}

fn kubernetes_page(bytes: &[u8]) {
    drop(node::page(bytes));
}

fn kubernetes_event(bytes: &[u8]) {
    drop(node::event(bytes));
}

fn kubernetes_said(bytes: &[u8]) {
    drop(node::said(bytes));
}

fn lease(bytes: &[u8]) {
    let stored = Stored { key: "/masakari/leases/h".into(), value: bytes.to_vec(), revision: 1 };
    drop(monitor::lease::Lease::read(&stored));
}
