//! What a person does past us, by Nova's API.

use recovery::ServerId;
use serde_json::json;
use sim::World;

/// Past us, by Nova's API.
pub fn a_person_evacuates(world: &World, server: &ServerId) {
    let path = format!("/compute/v2.1/servers/{server}/action");
    a_person_asks(world, "POST", &path, &json!({ "evacuate": {} }));
}

/// With an administrator's token.
pub fn a_person_asks(world: &World, method: &str, path: &str, body: &serde_json::Value) {
    let ask = |method: &str, path: &str, token: Option<&str>, body: &serde_json::Value| {
        let uri = format!("http://cloud.test{path}");
        let mut ask = http::Request::builder().method(method).uri(uri);
        if let Some(token) = token {
            ask = ask.header("x-auth-token", token).header("openstack-api-version", "compute 2.90");
        }
        world.handle(&ask.body(body.to_string().into()).unwrap())
    };
    let domain = json!({ "id": "default" });
    let user = json!({ "name": "admin", "domain": domain, "password": sim::PASSWORD });
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    let scope = json!({ "project": { "name": "admin", "domain": domain } });
    let login = json!({ "auth": { "identity": identity, "scope": scope } });
    let answer = ask("POST", "/identity/v3/auth/tokens", None, &login);
    let token = answer.headers()["x-subject-token"].to_str().unwrap();
    let answer = ask(method, path, Some(token), body);
    assert!(answer.status().is_success(), "{:?}", answer.body());
}

/// By Nova's API.
pub fn a_person_migrates(world: &World, server: &ServerId) {
    let path = format!("/compute/v2.1/servers/{server}/action");
    let migrate = json!({ "os-migrateLive": { "host": null, "block_migration": "auto" } });
    a_person_asks(world, "POST", &path, &migrate);
}
