//! What is dangerous late is sent at once, and once, or not at all.

use crate::{
    cloud::{Cloud, Fault},
    failures::{cases, word},
    nova::{dead, id, one_host},
};
use futures::future::join_all;
use openstack::{AskError, Disposition, Nova};
use ports::Clock;
use recovery::ServerId;
use std::time::Duration;

const EACH: [Act; 7] = [
    Act::Evacuate,
    Act::EvacuateStopped,
    Act::ForceDown,
    Act::Start,
    Act::Stop,
    Act::LiveMigrate,
    Act::Migrate,
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Act {
    Evacuate,
    EvacuateStopped,
    ForceDown,
    Start,
    Stop,
    LiveMigrate,
    Migrate,
}

async fn ask(nova: &Nova, act: Act) -> Result<(), AskError> {
    let server = ServerId::new("s1");
    match act {
        Act::Evacuate => nova.evacuate(&dead().evacuate(server, None)).await,
        Act::EvacuateStopped => nova.evacuate_stopped(&dead().evacuate(server, None)).await,
        Act::ForceDown => nova.force_down(&dead().force_down(id()).unwrap()).await,
        Act::Start => nova.start(&server).await,
        Act::Stop => nova.stop(&server).await,
        Act::LiveMigrate => nova.live_migrate(&server).await,
        Act::Migrate => nova.migrate(&server).await,
    }
}

/// How often something was sent that changes the cloud.
fn changes(cloud: &Cloud) -> usize {
    cloud.asked().iter().filter(|seen| !seen.line.starts_with("GET")).count()
}

fn is_not_done(error: &AskError) -> bool {
    let comes_back = error.disposition() == Disposition::Transient && !error.may_have_arrived();
    matches!(error, AskError::NotAtOnce { .. }) && comes_back
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_it_is_sent_once() {
    for act in EACH {
        for (fault, name, disposition, may_have_arrived, ..) in cases() {
            let cloud = one_host();
            let nova = cloud.ready_nova().await;
            cloud.fails(std::slice::from_ref(&fault));
            let error = ask(&nova, act).await.unwrap_err();
            assert_eq!(changes(&cloud), 1, "{act:?}, {fault:?}");
            let name = if name == "unauthorized" { "not at once" } else { name };
            assert_eq!(word(&error), name, "{act:?}, {fault:?}");
            assert_eq!(error.disposition(), disposition, "{act:?}, {fault:?}");
            assert_eq!(error.may_have_arrived(), may_have_arrived, "{act:?}, {fault:?}");
            assert_eq!(cloud.state().logins, 1, "{act:?}, {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_on_the_way() {
    for act in EACH {
        let cloud = one_host();
        let nova = cloud.nova();
        let error = ask(&nova, act).await.unwrap_err();
        assert!(is_not_done(&error), "{act:?}: {error}");
        assert!(cloud.state().seen.is_empty(), "{act:?}");
        nova.ready().await.unwrap();
        ask(&nova, act).await.unwrap();
        assert_eq!((changes(&cloud), cloud.state().logins), (1, 1), "{act:?}");
        // Its microversions were learnt long ago, and its token has expired.
        cloud.clock().sleep(Duration::from_secs(3_600)).await;
        let error = ask(&nova, act).await.unwrap_err();
        assert!(is_not_done(&error), "{act:?}: {error}");
        assert_eq!((changes(&cloud), cloud.state().logins), (1, 1), "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn versions_that_were_learnt_long_ago_are_not_learnt_anew_on_the_way() {
    let cloud = one_host();
    cloud.state().token_life_s = 86_400;
    let nova = cloud.ready_nova().await;
    cloud.clock().sleep(Duration::from_secs(7_200)).await;
    let before = cloud.state().seen.len();
    ask(&nova, Act::EvacuateStopped).await.unwrap();
    assert_eq!(cloud.state().seen.len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_to_fifty_at_once_costs_one_log_in() {
    let cloud = one_host();
    let nova = cloud.ready_nova().await;
    cloud.state().oldest_login = 2;
    let outcomes = join_all((0..50).map(|_| ask(&nova, Act::Evacuate))).await;
    assert!(outcomes.iter().all(|o| is_not_done(o.as_ref().unwrap_err())));
    assert_eq!((changes(&cloud), cloud.state().logins), (50, 1));
    let again = async || {
        nova.ready().await?;
        ask(&nova, Act::Evacuate).await
    };
    let outcomes = join_all((0..50).map(|_| again())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((changes(&cloud), cloud.state().logins), (100, 2));
}

#[tokio::test(start_paused = true)]
async fn a_keystone_that_is_away_is_told_before_anything_is_sent() {
    let cloud = one_host();
    cloud.state().login_faults.extend(std::iter::repeat_n(Fault::Away, 9));
    let error = cloud.nova().ready().await.unwrap_err();
    assert!(matches!(error, AskError::NoLogin { .. }), "{error}");
    assert_eq!(changes(&cloud), 0);
}
