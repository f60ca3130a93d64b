//! The lines that operators grep for, of processes and their commands, in the words of Python's `handle_process.py`.

use crate::{
    fake::Does,
    false_api::log::Lines,
    suite::World,
    watch::{NOVA, with_nova},
};

const START: &str = "systemctl start nova-compute";
const RESTART: &str = "systemctl restart nova-compute";

#[tokio::test(start_paused = true)]
async fn an_end_its_restart_and_what_the_command_printed_are_told_in_pythons_words() {
    let (host, lines) = (with_nova().await, Lines::kept());
    host.commands.does(&format!("sudo -n {RESTART}"), &[Does::Warns(NOVA), Does::Says(NOVA)]);
    let not_found = format!("WARN Process '{NOVA}' is not found.");
    host.watched(async || {
        for times in 1..=2 {
            host.fake.processes().kill(NOVA).await;
            host.sleep(60).await;
            let restart = format!("INFO Restart of process with executing command: {RESTART}");
            assert_eq!((lines.count(&not_found), lines.count(&restart)), (times, times));
        }
    })
    .await;
    lines.have(&format!("INFO Start of process with executing command: {START}"), &[]);
    lines.have(&format!("WARN CMD '{RESTART}' output stderr: careful"), &[]);
    lines.have(&format!("INFO CMD '{RESTART}' output stdout: done"), &[]);
    assert_eq!((lines.count("INFO CMD "), lines.count("WARN CMD ")), (1, 1));
    assert_eq!(lines.count("ERROR "), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_or_hangs_is_told_each_time_and_what_is_missing_once() {
    let (host, lines) = (with_nova().await, Lines::kept());
    host.commands.does(&format!("sudo -n {RESTART}"), &[Does::Fails, Does::Hangs, Does::Fails]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(600).await;
    })
    .await;
    let raised = format!("ERROR CMD '{RESTART}' raised exception: ");
    assert_eq!(lines.count(&format!("{raised}it ended with exit code 1")), 3);
    assert_eq!(lines.count(&raised), 4, "{:#?}", lines.of(&raised));
    lines.have(&format!("WARN CMD '{RESTART}' output stderr: no"), &[]);
    let given_up = format!("ERROR Process '{NOVA}' could not be restarted by 4 tries");
    assert_eq!((lines.count(&given_up), lines.count("WARN Process ")), (1, 1));
    lines.have("INFO Send a notification. {", &["\"process_name\":\"nova-compute\""]);
}
