//! Each way in which a cloud fails: what it is called, whether to come back, and how often we asked.

use crate::cloud::{Cloud, Fault};
use openstack::{AskError, Disposition};
use ports::Clock;
use recovery::{HostName, ServerId};
use std::time::Duration;

/// The error of an act (a POST that must not be done twice), and how often it was sent.
async fn act(faults: &[Fault]) -> (AskError, usize) {
    let cloud = Cloud::new();
    cloud.fails(faults);
    let error = cloud.nova().unlock(&ServerId::new("s1")).await.unwrap_err();
    (error, cloud.asked().len())
}

/// The same of a list.
async fn list(faults: &[Fault]) -> (AskError, usize) {
    let cloud = Cloud::new();
    cloud.fails(faults);
    let error = cloud.nova().compute_services().await.unwrap_err();
    (error, cloud.asked().len())
}

pub(crate) fn word(error: &AskError) -> &'static str {
    match error {
        AskError::Unreachable { .. } => "unreachable",
        AskError::NoAnswer { .. } => "no answer",
        AskError::Rubbish { .. } => "rubbish",
        AskError::Unauthorized { .. } => "unauthorized",
        AskError::NoLogin { .. } => "no login",
        AskError::NotAtOnce { .. } => "not at once",
        AskError::Forbidden { .. } => "forbidden",
        AskError::NotFound { .. } => "not found",
        AskError::Conflict { .. } => "conflict",
        AskError::BadRequest { .. } => "bad request",
        AskError::TooLarge { .. } => "too large",
        AskError::OverLimit { .. } => "over limit",
        AskError::ServerFault { .. } => "server fault",
        AskError::NoEndpoint { .. } => "no endpoint",
        AskError::PartialAnswer { .. } => "partial",
        AskError::TooOld { .. } => "too old",
        AskError::Misconfigured { .. } => "misconfigured",
    }
}

use Disposition::{Refused, Transient};

/// fault, its name, whether to come back, whether it may have been done, how often an act and a list
/// are sent when it lasts.
pub(crate) type Case = (Fault, &'static str, Disposition, bool, usize, usize);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        (Fault::Away, "unreachable", Transient, false, 3, 3),
        (Fault::Slow, "no answer", Transient, true, 1, 3),
        (Fault::Half, "no answer", Transient, true, 1, 3),
        (Fault::Rubbish, "rubbish", Transient, true, 1, 3),
        (Fault::HalfJson, "rubbish", Transient, true, 1, 3),
        (Fault::Status(302), "rubbish", Transient, true, 1, 3),
        (Fault::Status(400), "bad request", Refused, false, 1, 1),
        (Fault::Status(401), "unauthorized", Transient, false, 2, 2),
        (Fault::Status(403), "forbidden", Transient, false, 1, 1),
        (Fault::Status(404), "not found", Refused, false, 1, 1),
        (Fault::Status(409), "conflict", Refused, false, 1, 1),
        (Fault::Status(413), "too large", Refused, false, 1, 1),
        (Fault::StatusAfter(413, "1"), "over limit", Transient, false, 3, 3),
        (Fault::Status(422), "bad request", Refused, false, 1, 1),
        (Fault::Status(429), "over limit", Transient, false, 1, 3),
        (Fault::StatusAfter(429, "1"), "over limit", Transient, false, 3, 3),
        (Fault::Status(500), "server fault", Transient, true, 1, 3),
        (Fault::StatusAfter(500, "1"), "server fault", Transient, true, 1, 3),
        (Fault::Status(502), "server fault", Transient, true, 1, 3),
        (Fault::Status(503), "server fault", Transient, true, 1, 3),
        (Fault::StatusAfter(503, "1"), "server fault", Transient, false, 3, 3),
        (Fault::Status(504), "server fault", Transient, true, 1, 3),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_fault_has_its_name_and_its_bound() {
    for (fault, name, disposition, may_have_arrived, acts, lists) in cases() {
        let lasting = vec![fault.clone(); 10];
        let (error, sent) = act(&lasting).await;
        assert_eq!((word(&error), sent), (name, acts), "act, {fault:?}: {error}");
        assert_eq!(error.disposition(), disposition, "{fault:?}");
        assert_eq!(error.may_have_arrived(), may_have_arrived, "{fault:?}");
        let (error, sent) = list(&lasting).await;
        assert_eq!((word(&error), sent), (name, lists), "list, {fault:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_survives_whatever_passes() {
    for (fault, name, disposition, ..) in cases() {
        if disposition == Refused || name == "forbidden" {
            continue;
        }
        let cloud = Cloud::new();
        cloud.fails(std::slice::from_ref(&fault));
        let list = cloud.nova().compute_services().await;
        assert!(list.is_ok(), "{fault:?}: {list:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_survives_only_what_kept_it_from_arriving() {
    for (fault, survives) in [
        (Fault::Away, true),
        (Fault::Status(401), true),
        (Fault::StatusAfter(503, "1"), true),
        (Fault::Slow, false),
        (Fault::Half, false),
        (Fault::Status(503), false),
    ] {
        let cloud = Cloud::new();
        cloud.fails(std::slice::from_ref(&fault));
        let done = cloud.nova().unlock(&ServerId::new("s1")).await;
        assert_eq!(done.is_ok(), survives, "{fault:?}: {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_costs_no_more_than_the_deadline() {
    let cloud = Cloud::new();
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    let started = cloud.clock().boot();
    cloud.fails(&[Fault::Slow, Fault::Slow, Fault::Slow]);
    nova.servers_on(&HostName::new("c1")).await.unwrap_err();
    let took = cloud.clock().boot().since(started);
    assert!(took <= Duration::from_secs(61), "{took:?}");
    assert!(took >= Duration::from_secs(50), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_is_asked_then() {
    let cloud = Cloud::new();
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    let started = cloud.clock().boot();
    cloud.fails(&[Fault::StatusAfter(429, "7")]);
    nova.compute_services().await.unwrap();
    let took = cloud.clock().boot().since(started);
    assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_a_long_rest_gets_it() {
    let cloud = Cloud::new();
    cloud.fails(&[Fault::StatusAfter(503, "3600")]);
    let error = cloud.nova().compute_services().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(cloud.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_strange_page_is_quoted_but_not_whole() {
    let (error, _) = list(&[Fault::Rubbish, Fault::Rubbish, Fault::Rubbish]).await;
    assert!(error.to_string().contains("<html>It works!</html>"), "{error}");
    assert!(error.to_string().len() < 400, "{error}");
}
