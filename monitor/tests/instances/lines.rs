//! The lines that operators grep for, of VMs and of libvirt, in the words of Python's monitors.

use crate::{
    false_api::log::Lines,
    suite::{VM1, VM2, World},
    watch::Host,
};

const CLOSED: &str = "WARN Libvirt Connection Closed Unexpectedly.";
const ERROR: &str = "WARN Error from libvirt : ";

#[tokio::test(start_paused = true)]
async fn what_was_seen_and_that_it_is_reported_are_told() {
    let (host, lines) = (Host::new(), Lines::kept());
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || host.fake.kill(VM1).await).await;
    let begin = format!("INFO Libvirt Event: type=VM, hostname=cmp1, uuid={VM1}, time=2025-11-21 ");
    lines.have(&begin, &[", event_id=LIFECYCLE, detail=STOPPED_FAILED)"]);
    lines.have("INFO Send a notification. {", &[VM1, "\"vir_domain_event\":\"STOPPED_FAILED\""]);
    lines.have("INFO Response: notification_uuid=n1", &[]);
    assert_eq!(lines.count("INFO Libvirt Event: "), 1);
}

#[tokio::test(start_paused = true)]
async fn each_time_that_libvirtd_is_away_is_told_once_and_its_end_once() {
    let (host, lines) = (Host::new(), Lines::kept());
    host.fake.start(VM1, true).await;
    host.watched(async || {
        for times in 1..=2 {
            host.fake.daemon_stops().await;
            host.sleep(600).await;
            assert_eq!((lines.count(CLOSED), lines.count(ERROR)), (times, times));
            host.fake.daemon_starts().await;
            host.sleep(60).await;
            assert_eq!(lines.count("INFO libvirt is connected after "), times);
        }
    })
    .await;
    lines.have(CLOSED, &[" (libvirtd closed it)"]);
    lines.have(ERROR, &["Connection refused"]);
    assert_eq!((lines.count(CLOSED), lines.count(ERROR)), (2, 2));
}
