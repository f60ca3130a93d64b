//! Which hosts died with which server on them.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostName, NotificationId, ServerId, VMoveId,
    lease::LeaseKey,
    log::Summary,
    nouns::{Host, Notification, VMove, VMoveStatus, VMoveType},
    quarantine::Death,
};
use store::{NewNotification, Store};

fn server(n: u32) -> ServerId {
    ServerId::new(uuid(n))
}

fn planned(n: u32, of: &Notification, server_n: u32, on: &str) -> VMove {
    VMove { server: server(server_n), source_host: HostName::new(on), ..vmove(n, of) }
}

/// Report `n`, the first in the log of which are these moves, so many seconds later.
async fn planned_by(
    doors: &Doors,
    n: u32,
    host: &Host,
    seconds: i64,
    moves: &[(u32, &str)],
) -> Notification {
    let fingerprint = format!("report {n}");
    let new = NewNotification { fingerprint, ..report(n, host) };
    let notification = accepted(&*doors.a, new).await;
    let moves = moves.iter().map(|(s, on)| planned(n * 100 + s, &notification, *s, on));
    let summaries = moves.map(|row| Summary::VMove(Box::new(row)));
    write(&*doors.a, &notification, 1, seconds, &summaries.collect::<Vec<_>>()).await;
    notification
}

async fn write(
    store: &dyn Store,
    of: &Notification,
    seq: u64,
    seconds: i64,
    summaries: &[Summary],
) {
    let lease = take(store, LeaseKey::recovery(&of.uuid), &owner("one")).await;
    let mut line = claimed(seq, &lease);
    line.at = seconds_later(seconds);
    store.append(&lease, &of.uuid, &[line], summaries).await.unwrap();
}

fn death(server_n: u32, on: &str, seconds: i64, moved: bool) -> Death {
    Death { server: server(server_n), host: HostName::new(on), at: seconds_later(seconds), moved }
}

async fn told(doors: &Doors, servers: &[u32], since: i64, but: u32) -> Vec<Death> {
    let servers: Vec<ServerId> = servers.iter().map(|n| server(*n)).collect();
    let but = NotificationId::new(uuid(but));
    doors.b.deaths(&servers, seconds_later(since), &but).await.unwrap()
}

pub(crate) async fn the_hosts_that_died_with_a_server_on_them_are_told(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    planned_by(doors, 12, &host, 200, &[(1, "h2"), (3, "h2")]).await;
    planned_by(doors, 11, &host, 100, &[(1, "h1"), (2, "h1")]).await;
    let both = [death(1, "h1", 100, false), death(1, "h2", 200, false)];
    assert_eq!(told(doors, &[1], 0, 99).await, both);
    assert_eq!(told(doors, &[1], 100, 99).await, both, "the window has its first moment");
    assert_eq!(told(doors, &[1], 101, 99).await, both[1..]);
    assert_eq!(told(doors, &[1], 0, 12).await, both[..1], "the asker's own do not count");
    let three = [both[0].clone(), death(2, "h1", 100, false), both[1].clone()];
    assert_eq!(told(doors, &[2, 1], 0, 99).await, three);
    assert_eq!(told(doors, &[4], 0, 99).await, []);
    assert_eq!(told(doors, &[], 0, 99).await, []);
}

pub(crate) async fn a_death_keeps_its_moment_when_its_server_is_moved(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let report = planned_by(doors, 11, &host, 100, &[(1, "h1"), (2, "h1")]).await;
    let change = |s: u32, status| {
        let row = VMove { status, ..planned(1_100 + s, &report, s, "h1") };
        Summary::VMove(Box::new(row))
    };
    let ends = [change(1, VMoveStatus::Succeeded), change(2, VMoveStatus::Failed)];
    write(&*doors.a, &report, 2, 150, &ends).await;
    let wanted = [death(1, "h1", 100, true), death(2, "h1", 100, false)];
    assert_eq!(told(doors, &[1, 2], 0, 99).await, wanted);
}

pub(crate) async fn what_moves_from_a_host_that_lives_tells_of_no_death(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let report = planned_by(doors, 11, &host, 100, &[]).await;
    let live = VMove { kind: VMoveType::LiveMigration, ..planned(7, &report, 1, "h1") };
    write(&*doors.a, &report, 2, 150, &[Summary::VMove(Box::new(live))]).await;
    assert_eq!(told(doors, &[1], 0, 99).await, []);
}

pub(crate) async fn hundreds_of_servers_are_asked_about_at_once(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let report = planned_by(doors, 11, &host, 100, &[]).await;
    let rows = (0..700)
        .map(|n| VMove { uuid: VMoveId::new(uuid(9_000 + n)), ..planned(n, &report, n, "h1") });
    let rows: Vec<Summary> = rows.map(|row| Summary::VMove(Box::new(row))).collect();
    write(&*doors.a, &report, 2, 150, &rows).await;
    let all: Vec<u32> = (0..1_200).collect();
    assert_eq!(told(doors, &all, 0, 99).await.len(), 700);
}
