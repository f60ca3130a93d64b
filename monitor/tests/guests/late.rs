//! A guest's report that is late, and a loop that is seen to turn however long nothing happens.

use crate::{
    fake::Agent,
    guests_rounds::Host,
    suite::{VM1, VM2, World},
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_agent_that_died_is_told_late_and_one_that_was_begun_again_is_not() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.fake.start_guest(VM2).await;
    host.watched(async || {
        host.api.is_away(true);
        host.fake.agent(VM1, Agent::Closed);
        host.fake.agent(VM2, Agent::Closed);
        host.sleep(300).await;
        host.fake.agent(VM2, Agent::Lives);
        host.sleep(6).await;
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.reported(), [VM1]);
}

/// It is looked every ten seconds, because a loop that turns once is well again.
async fn never_stuck(host: &Host, seconds: u64) {
    for _ in 0..seconds / 10 {
        host.sleep(10).await;
        assert_eq!(host.board.stuck(), [""; 0], "at {:?}", host.fake.clock().boot());
    }
}

#[tokio::test(start_paused = true)]
async fn however_long_nothing_happens_or_libvirtd_is_away_the_loop_is_seen_to_turn() {
    for interval in [10, 600] {
        let mut host = Host::new();
        host.interval = Duration::from_secs(interval);
        host.fake.start_guest(VM1).await;
        host.fake.start_guest(VM2).await;
        host.watched(async || {
            never_stuck(&host, 3600).await;
            host.fake.hang_agent(VM1).await;
            never_stuck(&host, 3600).await;
            host.fake.daemon_stops().await;
            never_stuck(&host, 3600).await;
            host.fake.daemon_starts().await;
            never_stuck(&host, 3600).await;
        })
        .await;
    }
}
