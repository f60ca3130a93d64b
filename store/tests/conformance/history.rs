//! Lists of notifications, whichever way they are found.

use crate::{
    adopted::{ago, notification, raw, run, segment_and_hosts},
    doors::{Doors, connect},
    fixtures::*,
};
use recovery::{
    HostId, NotificationId,
    lease::LeaseKey,
    log::Summary,
    nouns::{Notification, NotificationStatus, NotificationType},
};
use sea_orm::ConnectionTrait;
use store::{NotificationFilter, Order, Page, Sort};

const STATUSES: [&str; 6] = ["finished", "failed", "ignored", "running", "new", "error"];

/// Those from the `first`th to the `last`th: ids leave gaps on Galera.
fn nth(first: u32, last: u32) -> String {
    let (first, last) = (uuid(100 + first), uuid(100 + last));
    format!("notification_uuid BETWEEN '{first}' AND '{last}'")
}

/// Sixty of all statuses, twenty of them young, several of one second.
async fn sixty(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let reports: Vec<String> = (0..60)
        .map(|n: u32| {
            let seconds_ago = if n < 40 { 10_000 - i64::from(n / 3) } else { i64::from(60 - n) };
            notification(100 + n, STATUSES[n as usize % 6], seconds_ago)
        })
        .collect();
    run(&db, &reports).await;
    let others = format!("UPDATE notifications SET type = 'VM' WHERE {}", nth(30, 48));
    let elsewhere =
        format!("UPDATE notifications SET source_host_uuid = '{}' WHERE {}", uuid(9), nth(0, 7));
    let unordered =
        format!("UPDATE notifications SET created_at = {} WHERE {}", ago(9_000), nth(4, 4));
    run(&db, &[others, elsewhere, unordered]).await;
    // PostgreSQL takes none for the latest, where pages by a marker miss it; nobody writes such rows there.
    if db.get_database_backend() != sea_orm::DbBackend::Postgres {
        let timeless = format!("UPDATE notifications SET created_at = NULL WHERE {}", nth(2, 2));
        run(&db, &[timeless]).await;
    }
}

/// As `db sync` does: from here on the older ones are found by our own keys.
async fn indexed(doors: &Doors) {
    let sql = connect(doors.url.as_deref().unwrap()).await;
    sql.sync().await.unwrap();
    sql.close().await;
}

fn filters() -> Vec<NotificationFilter> {
    let all = NotificationFilter::default;
    let mut filters = vec![
        all(),
        NotificationFilter { source_host: Some(HostId::new(uuid(3))), ..all() },
        NotificationFilter { source_host: Some(HostId::new(uuid(9))), ..all() },
        NotificationFilter { kind: Some(NotificationType::Vm), ..all() },
        NotificationFilter {
            kind: Some(NotificationType::ComputeHost),
            status: Some(NotificationStatus::Finished),
            ..all()
        },
    ];
    for status in [NotificationStatus::Failed, NotificationStatus::Running] {
        filters.push(NotificationFilter { status: Some(status), ..all() });
    }
    for seconds_ago in [9_995, 20] {
        let since = Some(crate::adopted::now().plus(-seconds_ago * 1000));
        filters.push(NotificationFilter { generated_since: since, ..all() });
    }
    filters
}

/// All of it, page after page.
async fn page_by_page(
    doors: &Doors,
    of: &NotificationFilter,
    sort: &[Sort],
    limit: u64,
) -> Vec<Notification> {
    let mut all: Vec<Notification> = Vec::new();
    loop {
        let marker = all.last().map(|last| last.id);
        let page = Page { sort: sort.to_vec(), marker, limit: Some(limit) };
        let some = doors.a.notifications(of, &page).await.unwrap().nouns();
        let ended = some.len() < usize::try_from(limit).unwrap();
        all.extend(some);
        if ended {
            return all;
        }
    }
}

async fn every_list_is_whole(doors: &Doors) {
    let oldest_first = vec![Sort { key: "created_at".into(), order: Order::Ascending }];
    for of in filters() {
        for sort in [Vec::new(), oldest_first.clone()] {
            // Without a limit Masakari's table alone is asked.
            let whole = Page { sort: sort.clone(), ..Page::default() };
            let expected = doors.b.notifications(&of, &whole).await.unwrap().nouns();
            for limit in [1, 7, 60, 1000] {
                let found = page_by_page(doors, &of, &sort, limit).await;
                assert_eq!(found, expected, "{of:?} by {limit}, {sort:?}");
            }
        }
    }
}

pub(crate) async fn old_notifications_are_listed_as_new_ones(doors: &Doors) {
    sixty(doors).await;
    every_list_is_whole(doors).await;
    indexed(doors).await;
    let db = raw(doors).await;
    let forget = |first, last| {
        let which = nth(first, last);
        format!("DELETE FROM ha_history WHERE id IN (SELECT id FROM notifications WHERE {which})")
    };
    let young = db.execute_unprepared(&forget(40, 59)).await.unwrap();
    assert_eq!(young.rows_affected(), 0, "those that are young are above the watermark");
    let last = db.execute_unprepared(&forget(39, 39)).await.unwrap();
    assert_eq!(last.rows_affected(), 1, "and those that are old below it");
    every_list_is_whole(doors).await;
}

pub(crate) async fn what_python_changes_later_is_seen(doors: &Doors) {
    sixty(doors).await;
    indexed(doors).await;
    let db = raw(doors).await;
    run(&db, &[format!("UPDATE notifications SET status = 'finished' WHERE {}", nth(3, 3))]).await;
    every_list_is_whole(doors).await;
    // And when it has been noted that it ended.
    indexed(doors).await;
    every_list_is_whole(doors).await;
    run(&db, &["UPDATE notifications SET status = 'failed' WHERE status = 'running'".into()]).await;
    every_list_is_whole(doors).await;
}

pub(crate) async fn what_python_removes_leaves_no_short_page(doors: &Doors) {
    sixty(doors).await;
    indexed(doors).await;
    let db = raw(doors).await;
    run(&db, &[format!("DELETE FROM notifications WHERE {}", nth(10, 23))]).await;
    let page = Page { limit: Some(40), ..Page::default() };
    let found = doors.a.notifications(&NotificationFilter::default(), &page).await.unwrap();
    assert_eq!(found.len(), 40);
    every_list_is_whole(doors).await;
}

pub(crate) async fn what_is_tried_again_is_listed_as_what_it_is(doors: &Doors) {
    sixty(doors).await;
    indexed(doors).await;
    // The second is an old one that failed.
    let id = NotificationId::new(uuid(101));
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let reopened = [Summary::Reopened, status(NotificationStatus::New)];
    doors.a.append(&lease, &id, &[held(1)], &reopened).await.unwrap();
    every_list_is_whole(doors).await;
    let finished = [status(NotificationStatus::Finished)];
    doors.a.append(&lease, &id, &[ended(2)], &finished).await.unwrap();
    every_list_is_whole(doors).await;
    indexed(doors).await;
    every_list_is_whole(doors).await;
}
