//! The list changes while it is watched.

use crate::{
    fake::Does,
    suite::World,
    watch::{LIST, NOVA, with_nova},
};

const RESTART: &str = "sudo -n systemctl restart nova-compute";
const SSHD: &str = "- {process_name: sshd, restart_command: restart sshd}\n";

#[tokio::test(start_paused = true)]
async fn a_list_that_has_changed_counts_and_what_is_new_is_restarted_but_not_started() {
    let host = with_nova().await;
    host.watched(async || {
        let more =
            "- {process_name: sshd, start_command: start sshd, restart_command: restart sshd}\n";
        host.commands.does("restart sshd", &[Does::Starts("sshd")]);
        host.writes(&format!("{LIST}{more}"));
        host.sleep(20).await;
        assert_eq!((host.count("start sshd"), host.count("restart sshd")), (0, 1));
        // What left the list is nobody's matter.
        host.writes(more);
        host.sleep(6).await;
        host.fake.processes().kill(NOVA).await;
        host.sleep(60).await;
        assert_eq!(host.count(RESTART), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_reads_the_list_at_once() {
    let host = with_nova().await;
    host.watched(async || {
        host.sleep(1).await;
        host.writes(&LIST.replace("restart nova-compute", "restart it"));
        host.reread.notify_one();
        host.sleep_ms(100).await;
        host.fake.processes().kill(NOVA).await;
        host.sleep_ms(1).await;
        assert_eq!(host.count("sudo -n systemctl restart it"), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_used_changes_nothing() {
    let host = with_nova().await;
    host.watched(async || {
        for broken in ["- process_name: [\n", "process_name: a\n", ""] {
            host.writes(broken);
            host.sleep(12).await;
            let before = host.count(RESTART);
            host.fake.processes().kill(NOVA).await;
            host.sleep(12).await;
            assert_eq!(host.count(RESTART), before + 1, "{broken:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_in_the_list_is_not_begun_anew() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(60).await;
        host.writes(&format!("{LIST}# a comment\n- {{process_name: sshd, restart_command: b}}\n"));
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.count(RESTART), 4, "it was given up before");
    assert_eq!(host.taken()[0], "PROCESS STOPPED nova-compute of cmp1");
}

#[tokio::test(start_paused = true)]
async fn a_late_report_of_what_left_the_list_is_withdrawn_and_of_what_stays_is_not() {
    let host = with_nova().await;
    host.writes(&format!("{LIST}{SSHD}"));
    host.fake.processes().start("sshd").await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.commands.does("restart sshd", &[Does::Fails]);
    host.watched(async || {
        host.api.is_away(true);
        host.fake.processes().kill(NOVA).await;
        host.fake.processes().kill("sshd").await;
        host.sleep(60).await;
        assert_eq!((host.count(RESTART), host.count("restart sshd")), (4, 4), "both are given up");
        host.writes(SSHD);
        host.sleep(12).await;
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.taken(), ["PROCESS STOPPED sshd of cmp1"]);
}
