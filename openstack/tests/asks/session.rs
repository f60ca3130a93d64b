//! One token for everybody, and where to ask.

use crate::cloud::{Cloud, Fault, PASSWORD, TOKEN, config};
use futures::future::join_all;
use openstack::{AskError, AuthConfig, Disposition, Secret, Session};
use ports::{Clock, SeededEntropy};
use recovery::ServerId;
use std::{sync::Arc, time::Duration};
use url::Url;

const FIFTY: usize = 50;

#[tokio::test(start_paused = true)]
async fn fifty_requests_at_once_log_in_once() {
    let cloud = Cloud::new();
    let nova = cloud.nova();
    let outcomes = join_all((0..FIFTY).map(|_| nova.compute_services())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(cloud.state().logins, 1);
    assert_eq!(cloud.asked().len(), FIFTY);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_renewed_once_for_fifty_requests_at_once() {
    let cloud = Cloud::new();
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    cloud.state().oldest_login = 2;
    let outcomes = join_all((0..FIFTY).map(|_| nova.compute_services())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(cloud.state().logins, 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_a_fresh_token_too_is_not_asked_for_ever() {
    let cloud = Cloud::new();
    cloud.state().oldest_login = u32::MAX;
    let id = ServerId::new("s");
    let session = cloud.session();
    let service = openstack::Service { types: vec!["compute".into()], ..Default::default() };
    let path = ["servers", id.as_str()];
    let request = openstack::Request::get(&service, &path, Duration::from_secs(60));
    let error = session.ask(request).await.unwrap_err();
    assert!(matches!(error, AskError::Unauthorized { .. }), "{error}");
    assert_eq!(cloud.state().logins, 2);
    assert_eq!(cloud.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_half_a_minute_before_it_expires() {
    let cloud = Cloud::new();
    cloud.state().token_life_s = 600;
    // Keystone's clock is an hour off, which must not matter.
    cloud.state().ahead_ms = -3_600_000;
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    cloud.clock().sleep(Duration::from_secs(569)).await;
    nova.compute_services().await.unwrap();
    assert_eq!(cloud.state().logins, 1);
    cloud.clock().sleep(Duration::from_secs(1)).await;
    nova.compute_services().await.unwrap();
    assert_eq!(cloud.state().logins, 2);
}

#[tokio::test(start_paused = true)]
async fn a_keystone_that_is_away_fails_fifty_waiters_by_one_log_in() {
    let cloud = Cloud::new();
    cloud.state().login_faults.extend(std::iter::repeat_n(Fault::Away, 1000));
    let nova = cloud.nova();
    let outcomes = join_all((0..FIFTY).map(|_| nova.compute_services())).await;
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(matches!(error, AskError::NoLogin { .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Transient);
        assert!(!error.may_have_arrived());
    }
    let tries = 1000 - cloud.state().login_faults.len();
    assert_eq!(tries, 3, "one log-in with its three tries");
}

#[tokio::test(start_paused = true)]
async fn a_log_in_survives_two_failures() {
    let cloud = Cloud::new();
    cloud.state().login_faults.extend([Fault::Away, Fault::Status(503)]);
    cloud.session().log_in().await.unwrap();
    assert_eq!(cloud.state().logins, 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_tried_again() {
    let cloud = Cloud::new();
    let session = cloud.session_of(AuthConfig { password: Secret::new("wrong"), ..config() });
    let error = session.log_in().await.unwrap_err();
    assert!(matches!(error, AskError::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("wrong password"), "{error}");
    assert_eq!(cloud.state().seen.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_request_carries_an_id_to_find_it_by() {
    let cloud = Cloud::new();
    cloud.fails(&[Fault::Away]);
    cloud.nova().compute_services().await.unwrap();
    let asked = cloud.asked();
    let id = |at: usize| asked[at].headers["x-openstack-request-id"].to_str().unwrap();
    assert!(id(0).starts_with("req-"));
    assert_eq!(id(0), id(1), "a repeated request keeps its id");
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_services_own_request_id_and_words() {
    let cloud = Cloud::new();
    let error = cloud.nova().enable_service(&recovery::ServiceId::new("x")).await.unwrap_err();
    let said = error.to_string();
    let expected = "PUT cloud/compute/v2.1/os-services/x (HTTP 404, req-of-nova): \
                    not found: no service";
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_debug_output() {
    let cloud = Cloud::new();
    let session = cloud.session();
    session.log_in().await.unwrap();
    let service = openstack::Service { types: vec!["compute".into()], ..Default::default() };
    let subject = Secret::new("gAAAAA-of-a-client");
    let request = openstack::Request {
        subject: Some(&subject),
        ..openstack::Request::get(&service, &["servers", "detail"], Duration::from_secs(60))
    };
    let printed = format!("{session:?} {request:?}");
    let reply = session.ask(request).await;
    let printed = format!("{printed} {reply:?} {:?}", config());
    assert!(reply.is_ok());
    for secret in [PASSWORD, TOKEN, "gAAAAA-of-a-client"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_keystone_a_fixed_token_is_sent_to_a_fixed_place() {
    let cloud = Cloud::new();
    let session = Session::none(
        Url::parse("http://cloud/ha/v1/p1").unwrap(),
        Some(Secret::new(format!("{TOKEN}1"))),
        cloud.clone(),
        cloud.clock(),
        Arc::new(SeededEntropy::new(1)),
    );
    let client = openstack::instance_ha::Client::new(session);
    assert_eq!(client.notifications(&[]).await.unwrap(), []);
    assert_eq!(cloud.state().logins, 0);
}
