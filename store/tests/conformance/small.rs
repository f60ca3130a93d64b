//! Reports of VMs and processes, and what they leave.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    NotificationId, ServerId,
    lease::LeaseKey,
    log::Summary,
    nouns::{Host, Notification, NotificationStatus, NotificationType},
};
use store::{HostUpdate, NewNotification, Store};

fn of_vm(n: u32, host: &Host) -> NewNotification {
    NewNotification {
        kind: NotificationType::Vm,
        payload: format!(r#"{{"event": "LIFECYCLE", "instance_uuid": "{}"}}"#, uuid(77)),
        fingerprint: format!("vm {n}"),
        evidence: None,
        ..report(n, host)
    }
}

async fn append(store: &dyn Store, of: &Notification, summary: Summary, seconds: i64) {
    let key = LeaseKey::recovery(&of.uuid);
    let lease = take(store, key, &owner("one")).await;
    let mut line = claimed(1, &lease);
    line.at = seconds_later(seconds);
    store.append(&lease, &of.uuid, &[line], &[summary]).await.unwrap();
}

pub(crate) async fn a_report_of_a_vm_names_its_server_and_hosts_come_first(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, of_vm(10, &host)).await;
    let later = NewNotification { now: seconds_later(5), ..report(11, &host) };
    accepted(&*doors.a, later).await;
    let open = doors.b.open_recoveries(10).await.unwrap();
    let shown: Vec<_> = open.iter().map(|o| (o.kind, o.server.clone())).collect();
    let server = Some(ServerId::new(uuid(77)));
    assert_eq!(shown, [(NotificationType::ComputeHost, None), (NotificationType::Vm, server)]);
}

pub(crate) async fn the_open_recovery_of_a_host_is_found(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, of_vm(10, &host)).await;
    assert_eq!(doors.b.open_host_recovery(&host.name).await.unwrap(), None);
    let own = accepted(&*doors.a, report(11, &host)).await;
    assert_eq!(doors.b.open_host_recovery(&host.name).await.unwrap(), Some(own.uuid.clone()));
    append(&*doors.a, &own, status(NotificationStatus::Finished), 0).await;
    assert_eq!(doors.b.open_host_recovery(&host.name).await.unwrap(), None);
}

pub(crate) async fn restarts_of_a_server_are_counted_within_the_window(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let server = ServerId::new(uuid(77));
    for n in 0..3 {
        let report = accepted(&*doors.a, of_vm(10 + n, &host)).await;
        let restarted = Summary::Restarted { server: server.clone() };
        append(&*doors.a, &report, restarted, 100 * i64::from(n)).await;
    }
    let count = async |since, but: u32| {
        let but = NotificationId::new(uuid(but));
        doors.b.restarts(&server, seconds_later(since), &but).await.unwrap()
    };
    assert_eq!(count(0, 99).await, 3);
    assert_eq!(count(0, 11).await, 2);
    assert_eq!(count(100, 99).await, 2);
    assert_eq!(count(201, 99).await, 0);
    let other = ServerId::new(uuid(78));
    let but = NotificationId::new(uuid(99));
    assert_eq!(doors.b.restarts(&other, NOW, &but).await.unwrap(), 0);
}

pub(crate) async fn maintenance_for_a_process_ends_with_what_a_person_says(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let marked = async || doors.b.on_maintenance_for_process(&host.uuid).await.unwrap();
    let end = async |n: u32, summary: Summary| {
        let report = accepted(&*doors.a, of_vm(n, &host)).await;
        append(&*doors.a, &report, summary, 1).await;
        let key = LeaseKey::recovery(&report.uuid);
        let lease = take(&*doors.a, key, &owner("two")).await;
        let finished = [status(NotificationStatus::Finished)];
        doors.a.append(&lease, &report.uuid, &[ended(2)], &finished).await.unwrap();
    };
    assert!(!marked().await);
    end(10, Summary::OnMaintenanceForProcess(host.uuid.clone())).await;
    assert!(doors.b.host(&host.uuid).await.unwrap().unwrap().on_maintenance);
    assert!(marked().await);
    let renamed = HostUpdate { kind: Some("X".into()), ..unchanged_host() };
    doors.a.update_host(&host.uuid, renamed).await.unwrap();
    assert!(marked().await, "nothing was said of its maintenance");
    let kept = HostUpdate { on_maintenance: Some(true), ..unchanged_host() };
    doors.a.update_host(&host.uuid, kept).await.unwrap();
    assert!(!marked().await, "a person wants it on maintenance");
    let back = HostUpdate { on_maintenance: Some(false), ..unchanged_host() };
    doors.a.update_host(&host.uuid, back).await.unwrap();
    end(11, Summary::OnMaintenanceForProcess(host.uuid.clone())).await;
    assert!(marked().await);
    end(12, Summary::OnMaintenance(host.uuid.clone())).await;
    assert!(!marked().await, "the host itself has failed");
}

pub(crate) async fn a_host_on_maintenance_already_is_not_marked(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let on = HostUpdate { on_maintenance: Some(true), ..unchanged_host() };
    doors.a.update_host(&host.uuid, on).await.unwrap();
    let report = accepted(&*doors.a, of_vm(10, &host)).await;
    append(&*doors.a, &report, Summary::OnMaintenanceForProcess(host.uuid.clone()), 1).await;
    assert!(!doors.b.on_maintenance_for_process(&host.uuid).await.unwrap());
    assert!(doors.b.host(&host.uuid).await.unwrap().unwrap().on_maintenance);
}
