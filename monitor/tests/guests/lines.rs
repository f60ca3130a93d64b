//! The lines that operators grep for, of guests.

use crate::{
    fake::Agent,
    false_api::log::Lines,
    guests_rounds::Host,
    suite::{VM1, VM2, World},
};

const LATE: &str = "WARN Some guests have not been asked within 10 s";

#[tokio::test(start_paused = true)]
async fn a_guest_that_hangs_is_told_once_with_its_name_and_how_often() {
    let (host, lines) = (Host::new(), Lines::kept());
    host.fake.start_guest(VM1).await;
    host.fake.start_guest(VM2).await;
    host.watched(async || {
        host.fake.hang_agent(VM1).await;
        host.sleep(300).await;
    })
    .await;
    let begin = format!("WARN The guest agent of VM {VM1} (instance-{}) ", &VM1[VM1.len() - 8..]);
    lines.have(&begin, &["does not answer, 5 times in a row ("]);
    lines.have("INFO Send a notification. {", &["QEMU_GUEST_AGENT_ERROR", VM1]);
    assert_eq!(lines.count("WARN The guest agent of VM"), 1);
}

#[tokio::test(start_paused = true)]
async fn so_many_that_hang_that_a_round_is_late_are_told_once_and_once_that_none_is() {
    let (host, lines) = (Host::new(), Lines::kept());
    let vm = |nth: usize| format!("11111111-2222-3333-4444-0000000002{nth:02}");
    for nth in 0..30 {
        host.fake.start_guest(&vm(nth)).await;
    }
    host.watched(async || {
        for nth in 0..30 {
            host.fake.hang_agent(&vm(nth)).await;
        }
        host.sleep(600).await;
        assert_eq!((lines.count(LATE), lines.count("INFO All guests are asked in time")), (1, 0));
        for nth in 0..30 {
            host.fake.agent(&vm(nth), Agent::Lives);
        }
        host.sleep(300).await;
    })
    .await;
    assert_eq!((lines.count(LATE), lines.count("INFO All guests are asked in time")), (1, 1));
}
