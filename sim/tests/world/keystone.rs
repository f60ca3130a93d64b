use crate::client::{Client, ask, body, password_body};
use serde_json::Value;
use sim::{Endpoints, Shape};

const TOKENS: &str = "/identity/v3/auth/tokens";

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_refused() {
    let client = Client::new(1, Shape::default());
    let answer = client.world.handle(&ask("POST", TOKENS, &password_body("admin", "wrong")));
    assert_eq!(answer.status(), 401);
    assert_eq!(body(&answer)["error"]["title"], "Unauthorized");
}

#[tokio::test(start_paused = true)]
async fn nova_refuses_whoever_has_no_token() {
    let client = Client::new(1, Shape::default());
    let answer = client.world.handle(&ask("GET", "/compute/v2.1/servers", &Value::Null));
    assert_eq!(answer.status(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_expires() {
    let client = Client::new(1, Shape { token_life_ms: 300_000, ..Shape::default() });
    client.wait_s(299).await;
    assert_eq!(client.nova("GET", "servers", &Value::Null).status(), 200);
    client.wait_s(1).await;
    assert_eq!(client.nova("GET", "servers", &Value::Null).status(), 401);
}

#[tokio::test(start_paused = true)]
async fn revoked_tokens_are_worth_nothing() {
    let client = Client::new(1, Shape::default());
    client.world.revoke_tokens();
    assert_eq!(client.nova("GET", "servers", &Value::Null).status(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_service_validates_the_token_of_a_user() {
    let client = Client::new(1, Shape::default());
    let log_in = ask("POST", TOKENS, &password_body("demo", sim::PASSWORD));
    let subject = client.world.handle(&log_in).headers()["x-subject-token"].clone();
    let mut look = client.dress(ask("GET", TOKENS, &Value::Null));
    look.headers_mut().insert("x-subject-token", subject);
    let answer = client.world.handle(&look);
    assert_eq!(answer.status(), 200);
    let token = body(&answer)["token"].take();
    assert_eq!(token["user"]["name"], "demo");
    assert_eq!(token["project"]["name"], "demo");
    assert_eq!(token["roles"][0]["name"], "member");
    assert_eq!(token["expires_at"], "2025-11-21T09:00:00.000000Z");
    look.headers_mut().insert("x-subject-token", "nonsense".parse().unwrap());
    assert_eq!(client.world.handle(&look).status(), 404);
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_says_what_it_was_told_to_say() {
    let client = Client::new(1, Shape::default());
    client.world.endpoints(Endpoints {
        base: "http://127.0.0.1:8000".into(),
        instance_ha: "http://127.0.0.1:15868/v1".into(),
    });
    let log_in = ask("POST", TOKENS, &password_body("admin", sim::PASSWORD));
    let catalogue = body(&client.world.handle(&log_in))["token"]["catalog"].take();
    let services: Vec<_> = catalogue
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["type"].as_str().unwrap(), s["endpoints"][0]["url"].as_str().unwrap()))
        .collect();
    assert_eq!(
        services,
        [
            ("identity", "http://127.0.0.1:8000/identity"),
            ("compute", "http://127.0.0.1:8000/compute/v2.1"),
            ("placement", "http://127.0.0.1:8000/placement"),
            ("instance-ha", "http://127.0.0.1:15868/v1"),
        ]
    );
}
