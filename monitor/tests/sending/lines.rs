//! The lines that operators grep for, of what is sent, in the words of Python's `ha/masakari.py`.

use crate::{
    failed,
    false_api::{Mood, log::Lines},
    noted,
    sender::Host,
};
use monitor::Reporter;
use ports::Clock;
use std::time::Duration;

const RETRY: &str = "WARN Retry sending a notification. (";
const BACK: &str = "INFO the API answers again after ";

#[tokio::test(start_paused = true)]
async fn each_outage_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let (host, lines) = (Host::new(), Lines::kept());
    let story = async |monitor: &Reporter| {
        for outage in 1..=2 {
            host.api.is(Mood::Away);
            for vm in 0..20 {
                monitor.report(failed(&format!("vm{outage}{vm}"))).await;
                host.clock.sleep(Duration::from_secs(30)).await;
            }
            assert_eq!((lines.count(RETRY), lines.count(BACK)), (outage, outage - 1));
            host.api.is(Mood::Well);
            host.clock.sleep(Duration::from_secs(60)).await;
            assert_eq!((lines.count(RETRY), lines.count(BACK)), (outage, outage));
        }
    };
    host.run_for(1_400, story).await;
    assert_eq!(host.taken().len(), 40);
    lines.have(RETRY, &["away: nobody there", "What waits is kept until the API answers"]);
    assert!(lines.of(BACK)[0].ends_with(" more reports wait"), "{:?}", lines.of(BACK));
}

#[tokio::test(start_paused = true)]
async fn another_kind_of_failure_in_one_outage_is_another_line() {
    let (host, lines) = (Host::new(), Lines::kept());
    let story = async |monitor: &Reporter| {
        monitor.report(failed("vm1")).await;
        for mood in [Mood::Away, Mood::Status(503), Mood::Away, Mood::Status(503)] {
            host.api.is(mood);
            monitor.report(failed(&format!("vm for {mood:?}"))).await;
            host.clock.sleep(Duration::from_secs(120)).await;
        }
    };
    host.run_for(600, story).await;
    assert_eq!(lines.count(RETRY), 2, "{:#?}", lines.of(RETRY));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_and_what_the_api_says_are_told_in_pythons_words() {
    let (host, lines) = (Host::new(), Lines::kept());
    let story = async |monitor: &Reporter| {
        monitor.report(failed("vm1")).await;
        host.clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(lines.count("INFO Stop retrying"), 0);
        host.api.is(Mood::Status(409));
        monitor.report(failed("vm2")).await;
    };
    host.run_for(20, story).await;
    let report = ["\"type\":\"VM\"", "\"hostname\":\"cmp1\"", "\"instance_uuid\":\"vm1\""];
    lines.have("INFO Send a notification. {\"notification\":{", &report);
    lines.have("INFO Response: notification_uuid=n1", &["status=new"]);
    lines.have("INFO Stop retrying to send a notification: ", &["409"]);
    assert_eq!(lines.count("INFO Send a notification."), 2);
    assert_eq!((lines.count("INFO Response:"), lines.count(RETRY)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_and_what_is_withdrawn_are_told_with_the_whole_report() {
    let (host, lines) = (Host::new(), Lines::kept());
    host.api.is(Mood::Away);
    let story = async |monitor: &Reporter| {
        monitor.report(noted("vm1")).await;
        monitor.report(failed("vm2")).await;
        host.clock.sleep(Duration::from_secs(180)).await;
        host.vms.runs("vm2");
    };
    host.run_for(300, story).await;
    assert_eq!(host.waits(), 0);
    let of = |vm: &str| format!("\"instance_uuid\":\"{vm}\"");
    lines.have("ERROR Exception caught: ", &["within 120 s", &of("vm1")]);
    lines.have("INFO Withdrawn, as it does not hold any more (the VM runs): ", &[&of("vm2")]);
    assert_eq!((lines.count("ERROR "), lines.count("INFO Withdrawn")), (1, 1));
}
