//! Whose token is this?

use crate::cloud::{Cloud, Fault};
use futures::future::join_all;
use openstack::tokens::{TokenCache, TokenError, TokenValidator};
use ports::Clock;
use std::{sync::Arc, time::Duration};

const ALICES: &str = "gAAAAA-alice";

fn validator(cloud: &Arc<Cloud>) -> TokenValidator {
    cloud.state().clients.insert(ALICES.into(), 3600);
    TokenValidator::new(cloud.session(), cloud.clock(), TokenCache::default())
}

/// How often Keystone was asked about a token.
fn asked(cloud: &Cloud) -> usize {
    let state = cloud.state();
    state.seen.iter().filter(|seen| seen.headers.contains_key("x-subject-token")).count()
}

#[tokio::test(start_paused = true)]
async fn a_token_stands_for_its_user_and_project() {
    let cloud = Cloud::new();
    let alice = validator(&cloud).validate(ALICES).await.unwrap();
    assert_eq!((alice.user_id.as_str(), alice.user_name.as_str()), ("u1", "alice"));
    assert_eq!(alice.project_id.as_deref(), Some("p1"));
    assert_eq!(alice.project_domain_id.as_deref(), Some("default"));
    assert_eq!(alice.roles, ["admin"]);
    assert_eq!((alice.system_scope.as_deref(), alice.is_admin_project), (None, true));
}

#[tokio::test(start_paused = true)]
async fn fifty_requests_with_one_token_ask_once() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    let outcomes = join_all((0..50).map(|_| validator.validate(ALICES))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(asked(&cloud), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_believed_for_five_minutes() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    validator.validate(ALICES).await.unwrap();
    cloud.state().clients.clear();
    cloud.clock().sleep(Duration::from_secs(299)).await;
    validator.validate(ALICES).await.unwrap();
    cloud.clock().sleep(Duration::from_secs(2)).await;
    let refused = validator.validate(ALICES).await;
    assert!(matches!(refused, Err(TokenError::Invalid)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_never_believed_beyond_the_tokens_end() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    cloud.state().ahead_ms = -3_600_000;
    cloud.state().clients.insert(ALICES.into(), 40);
    validator.validate(ALICES).await.unwrap();
    cloud.state().clients.clear();
    cloud.clock().sleep(Duration::from_secs(41)).await;
    assert!(matches!(validator.validate(ALICES).await, Err(TokenError::Invalid)));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_knows_is_asked_about_once_in_a_while() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    for _ in 0..10 {
        assert!(matches!(validator.validate("stranger").await, Err(TokenError::Invalid)));
    }
    assert_eq!(asked(&cloud), 1);
    cloud.clock().sleep(Duration::from_secs(11)).await;
    cloud.state().clients.insert("stranger".into(), 3600);
    assert!(validator.validate("stranger").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_keystone_that_is_away_makes_no_token_invalid() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    for fault in [Fault::Away, Fault::Slow, Fault::Status(500), Fault::Status(403), Fault::Rubbish]
    {
        cloud.fails(&vec![fault.clone(); 3]);
        let outcome = validator.validate(ALICES).await;
        assert!(matches!(outcome, Err(TokenError::KeystoneAway { .. })), "{fault:?}: {outcome:?}");
        cloud.state().faults.clear();
    }
    assert!(validator.validate(ALICES).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_no_header_can_carry_is_not_sent() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    for token in ["", "with space", "line\r\nbreak", "ümlaut"] {
        assert!(matches!(validator.validate(token).await, Err(TokenError::Invalid)), "{token:?}");
    }
    assert_eq!(asked(&cloud), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tokens_does_not_grow_the_cache_and_spares_who_is_active() {
    let cloud = Cloud::new();
    cloud.state().clients.insert(ALICES.into(), 3600);
    let cache = TokenCache { tokens_max: 8, ..TokenCache::default() };
    let validator = TokenValidator::new(cloud.session(), cloud.clock(), cache);
    for number in 0..100 {
        validator.validate(ALICES).await.unwrap();
        validator.validate(&format!("stranger-{number}")).await.unwrap_err();
        cloud.clock().sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(asked(&cloud), 101, "alice's token was asked about once");
}

#[tokio::test(start_paused = true)]
async fn no_token_is_in_debug() {
    let cloud = Cloud::new();
    let validator = validator(&cloud);
    validator.validate(ALICES).await.unwrap();
    assert!(!format!("{validator:?}").contains(ALICES));
}
