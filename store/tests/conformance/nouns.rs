//! Segments and hosts: made, changed, deleted, listed.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostName, SegmentId,
    lease::LeaseKey,
    nouns::{NotificationStatus, RecoveryMethod, Segment},
};
use store::{HostFilter, Order, Page, SegmentFilter, Store, StoreError};

pub(crate) async fn a_segment_is_made_and_read(doors: &Doors) {
    let mut new = new_segment(1, "seg");
    new.description = Some("the first – ☁".into());
    let made = doors.a.create_segment(new).await.unwrap();
    assert!(made.id > 0);
    assert_eq!(made.name, "seg");
    assert_eq!(made.description.as_deref(), Some("the first – ☁"));
    assert_eq!(made.created_at, Some(NOW_KEPT), "whole seconds");
    assert_eq!(made.updated_at, None);
    assert_eq!(doors.b.segment(&made.uuid).await.unwrap(), Some(made));
    assert_eq!(doors.b.segment(&SegmentId::new(uuid(9))).await.unwrap(), None);
}

pub(crate) async fn a_segment_is_changed(doors: &Doors) {
    let made = doors.a.create_segment(new_segment(1, "seg")).await.unwrap();
    let mut change = unchanged_segment();
    change.name = Some("other".into());
    change.description = Some(Some("now with words".into()));
    change.recovery_method = Some(RecoveryMethod::RhPriority);
    change.enabled = Some(false);
    let changed = doors.a.update_segment(&made.uuid, change).await.unwrap();
    let expected = Segment {
        name: "other".into(),
        description: Some("now with words".into()),
        recovery_method: RecoveryMethod::RhPriority,
        enabled: false,
        updated_at: Some(NOW_KEPT.plus(60_000)),
        ..made
    };
    assert_eq!(changed, expected);
    assert_eq!(doors.b.segment(&expected.uuid).await.unwrap(), Some(expected.clone()));
    let mut cleared = unchanged_segment();
    cleared.description = Some(None);
    let cleared = doors.a.update_segment(&expected.uuid, cleared).await.unwrap();
    assert_eq!((cleared.description, cleared.name), (None, "other".into()));
}

pub(crate) async fn two_segments_cannot_have_one_name(doors: &Doors) {
    doors.a.create_segment(new_segment(1, "seg")).await.unwrap();
    let other = doors.a.create_segment(new_segment(2, "other")).await.unwrap();
    let again = doors.b.create_segment(new_segment(3, "seg")).await;
    assert!(matches!(again, Err(StoreError::Exists { noun: "segment", name }) if name == "seg"));
    let mut rename = unchanged_segment();
    rename.name = Some("seg".into());
    let renamed = doors.b.update_segment(&other.uuid, rename).await;
    assert!(matches!(renamed, Err(StoreError::Exists { noun: "segment", .. })));
    let mut keep = unchanged_segment();
    keep.name = Some("other".into());
    assert!(doors.b.update_segment(&other.uuid, keep).await.is_ok(), "its own name is no clash");
}

pub(crate) async fn a_deleted_segment_takes_its_hosts_along_and_frees_the_names(doors: &Doors) {
    for round in 0..3 {
        let segment = doors.a.create_segment(new_segment(10 + round, "seg")).await.unwrap();
        let host = doors.a.create_host(new_host(20 + round, "compute01", &segment)).await.unwrap();
        doors.b.delete_segment(&segment.uuid).await.unwrap();
        assert_eq!(doors.a.segment(&segment.uuid).await.unwrap(), None);
        assert_eq!(doors.a.host(&host.uuid).await.unwrap(), None);
        assert_eq!(doors.a.host_named(&host.name).await.unwrap(), None);
        let again = doors.a.delete_segment(&segment.uuid).await;
        assert!(matches!(again, Err(StoreError::NotFound { noun: "segment", .. })));
    }
    let all = doors.a.segments(&SegmentFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(all, []);
}

pub(crate) async fn a_segment_that_is_not_there_cannot_be_changed(doors: &Doors) {
    let nobody = SegmentId::new(uuid(9));
    let changed = doors.a.update_segment(&nobody, unchanged_segment()).await;
    assert!(matches!(changed, Err(StoreError::NotFound { noun: "segment", .. })));
}

pub(crate) async fn segments_are_filtered(doors: &Doors) {
    let mut other = new_segment(2, "other");
    other.recovery_method = RecoveryMethod::ReservedHost;
    other.service_type = "storage".into();
    other.enabled = false;
    doors.a.create_segment(new_segment(1, "seg")).await.unwrap();
    doors.a.create_segment(other).await.unwrap();
    let all = SegmentFilter::default();
    let by_method =
        SegmentFilter { recovery_method: Some(RecoveryMethod::ReservedHost), ..all.clone() };
    let by_type = SegmentFilter { service_type: Some("storage".into()), ..all.clone() };
    let by_switch = SegmentFilter { enabled: Some(false), ..all.clone() };
    for filter in [by_method, by_type, by_switch] {
        assert_eq!(names(doors, &filter, &Page::default()).await, ["other"], "{filter:?}");
    }
    assert_eq!(names(doors, &all, &Page::default()).await, ["other", "seg"], "newest first");
}

async fn names(doors: &Doors, filter: &SegmentFilter, page: &Page) -> Vec<String> {
    let found = doors.b.segments(filter, page).await.unwrap();
    found.into_iter().map(|segment| segment.name).collect()
}

pub(crate) async fn segments_are_sorted(doors: &Doors) {
    for (n, name) in [(1, "b"), (2, "c"), (3, "a")] {
        let mut new = new_segment(n, name);
        new.now = seconds_later(i64::from(n));
        new.description = (name == "c").then(|| "words".into());
        doors.a.create_segment(new).await.unwrap();
    }
    let all = SegmentFilter::default();
    let by = |key, order| sorted_by(key, order);
    assert_eq!(names(doors, &all, &by("name", Order::Ascending)).await, ["a", "b", "c"]);
    assert_eq!(names(doors, &all, &by("name", Order::Descending)).await, ["c", "b", "a"]);
    assert_eq!(names(doors, &all, &by("created_at", Order::Ascending)).await, ["b", "c", "a"]);
    let nothing_first = by("description", Order::Ascending);
    assert_eq!(names(doors, &all, &nothing_first).await, ["b", "a", "c"]);
    let nothing_last = by("description", Order::Descending);
    assert_eq!(names(doors, &all, &nothing_last).await, ["c", "a", "b"]);
}

pub(crate) async fn a_sort_key_that_is_no_column_is_refused(doors: &Doors) {
    let page = sorted_by("colour", Order::Ascending);
    let listed = doors.a.segments(&SegmentFilter::default(), &page).await;
    assert!(matches!(listed, Err(StoreError::NotFound { noun: "sort key", id }) if id == "colour"));
}

pub(crate) async fn pages_meet_without_gap_or_overlap(doors: &Doors) {
    for n in 1..=7 {
        let mut new = new_segment(n, &format!("seg{n}"));
        // Equal keys, and keys with nothing in them, at the borders of pages.
        new.service_type = format!("type{}", n % 3);
        new.description = (n % 2 == 0).then(|| "words".into());
        doors.a.create_segment(new).await.unwrap();
    }
    let all = SegmentFilter::default();
    for key in ["service_type", "description", "recovery_method", "enabled", "id", "updated_at"] {
        for order in [Order::Ascending, Order::Descending] {
            let whole = names(doors, &all, &sorted_by(key, order)).await;
            assert_eq!(whole.len(), 7);
            let mut pieces = Vec::new();
            let mut page = Page { limit: Some(2), ..sorted_by(key, order) };
            loop {
                let piece = doors.a.segments(&all, &page).await.unwrap();
                let Some(last) = piece.last() else { break };
                page.marker = Some(last.id);
                pieces.extend(piece.into_iter().map(|segment| segment.name));
            }
            assert_eq!(pieces, whole, "{key} {order:?}");
        }
    }
    let nothing = Page { limit: Some(0), ..Page::default() };
    assert_eq!(names(doors, &all, &nothing).await, [""; 0]);
}

pub(crate) async fn a_marker_that_is_not_there_is_refused(doors: &Doors) {
    let page = Page { marker: Some(4711), ..Page::default() };
    let listed = doors.a.segments(&SegmentFilter::default(), &page).await;
    assert!(matches!(listed, Err(StoreError::NotFound { noun: "marker", id }) if id == "4711"));
}

pub(crate) async fn a_host_is_made_changed_and_deleted(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    assert_eq!(host.segment, segment.uuid);
    assert_eq!(doors.b.host_named(&host.name).await.unwrap().as_ref(), Some(&host));
    let mut change = unchanged_host();
    change.name = Some(HostName::new("compute02"));
    change.reserved = Some(true);
    change.on_maintenance = Some(true);
    let changed = doors.b.update_host(&host.uuid, change).await.unwrap();
    assert_eq!(changed.name.as_str(), "compute02");
    assert!(changed.reserved && changed.on_maintenance);
    assert_eq!(changed.updated_at, Some(NOW_KEPT.plus(60_000)));
    assert_eq!(doors.a.host(&host.uuid).await.unwrap(), Some(changed));
    doors.a.delete_host(&host.uuid).await.unwrap();
    assert_eq!(doors.b.host(&host.uuid).await.unwrap(), None);
    let again = doors.b.delete_host(&host.uuid).await;
    assert!(matches!(again, Err(StoreError::NotFound { noun: "host", .. })));
}

pub(crate) async fn two_hosts_cannot_have_one_name_even_in_two_segments(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_segment(new_segment(3, "other")).await.unwrap();
    let again = doors.a.create_host(new_host(4, "compute01", &other)).await;
    assert!(matches!(again, Err(StoreError::Exists { noun: "host", .. })));
    doors.a.delete_host(&host.uuid).await.unwrap();
    assert!(doors.a.create_host(new_host(4, "compute01", &other)).await.is_ok());
}

pub(crate) async fn a_host_needs_its_segment(doors: &Doors) {
    let segment = doors.a.create_segment(new_segment(1, "seg")).await.unwrap();
    doors.a.delete_segment(&segment.uuid).await.unwrap();
    let made = doors.a.create_host(new_host(2, "compute01", &segment)).await;
    assert!(matches!(made, Err(StoreError::NotFound { noun: "segment", .. })));
}

pub(crate) async fn hosts_are_filtered(doors: &Doors) {
    let (segment, _) = segment_and_host(&*doors.a).await;
    let elsewhere = doors.a.create_segment(new_segment(3, "other")).await.unwrap();
    let mut special = new_host(4, "compute02", &segment);
    special.kind = "KVM".into();
    special.control_attributes = "IPMI".into();
    special.reserved = true;
    special.on_maintenance = true;
    doors.a.create_host(special).await.unwrap();
    doors.a.create_host(new_host(5, "compute03", &elsewhere)).await.unwrap();
    let all = HostFilter::default();
    for filter in [
        HostFilter { name: Some("compute02".into()), ..all.clone() },
        HostFilter { kind: Some("KVM".into()), ..all.clone() },
        HostFilter { control_attributes: Some("IPMI".into()), ..all.clone() },
        HostFilter { on_maintenance: Some(true), ..all.clone() },
        HostFilter { reserved: Some(true), ..all.clone() },
    ] {
        let found = doors.b.hosts(&segment.uuid, &filter, &Page::default()).await.unwrap();
        let found: Vec<&str> = found.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(found, ["compute02"], "{filter:?}");
    }
    let by_type = sorted_by("type", Order::Ascending);
    let found = doors.b.hosts(&segment.uuid, &all, &by_type).await.unwrap();
    let found: Vec<&str> = found.iter().map(|host| host.kind.as_str()).collect();
    assert_eq!(found, ["COMPUTE", "KVM"]);
}

/// Whether the segment and its host may be changed.
async fn in_use(store: &dyn Store, segment: &Segment) -> bool {
    let host = HostName::new("compute01");
    let host = store.host_named(&host).await.unwrap().unwrap();
    let segment_change = store.update_segment(&segment.uuid, unchanged_segment()).await;
    let host_change = store.update_host(&host.uuid, unchanged_host()).await;
    match (segment_change, host_change) {
        (Ok(_), Ok(_)) => false,
        (
            Err(StoreError::InUse { noun: "segment", .. }),
            Err(StoreError::InUse { noun: "host", .. }),
        ) => {
            let segment_end = store.delete_segment(&segment.uuid).await;
            assert!(matches!(segment_end, Err(StoreError::InUse { noun: "segment", .. })));
            let host_end = store.delete_host(&host.uuid).await;
            assert!(matches!(host_end, Err(StoreError::InUse { noun: "host", .. })));
            true
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_segment_is_in_use_while_a_recovery_is_under_way(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_segment(new_segment(3, "other")).await.unwrap();
    assert!(!in_use(&*doors.a, &segment).await);
    let notification = accepted(&*doors.a, report(10, &host)).await;
    assert!(in_use(&*doors.a, &segment).await, "a new one counts");
    assert!(doors.a.update_segment(&other.uuid, unchanged_segment()).await.is_ok());

    let key = LeaseKey::recovery(&notification.uuid);
    let lease = take(&*doors.a, key, &owner("one")).await;
    let write = async |line, summaries: &[_]| {
        doors.a.append(&lease, &notification.uuid, &[line], summaries).await.unwrap();
    };
    write(claimed(1, &lease), &[]).await;
    assert!(in_use(&*doors.a, &segment).await);
    write(held(2), &[]).await;
    assert!(!in_use(&*doors.a, &segment).await, "a held one does not count");
    write(proven(3), &[]).await;
    assert!(in_use(&*doors.a, &segment).await, "no longer held");
    write(line_waiting(4), &[status(NotificationStatus::Running)]).await;
    write(held(5), &[]).await;
    assert!(in_use(&*doors.a, &segment).await, "held in its middle, VMs are moving");
    write(line_waiting(6), &[status(NotificationStatus::Error)]).await;
    assert!(in_use(&*doors.a, &segment).await, "will be tried again");
    write(ended(7), &[status(NotificationStatus::Finished)]).await;
    assert!(!in_use(&*doors.a, &segment).await, "over");
}

fn line_waiting(seq: u64) -> recovery::log::Line {
    line(seq, recovery::log::Entry::Waiting { why: "Nova does not answer".into() })
}
