//! `auth_strategy = noauth2`: everybody is who they say they are.

use crate::world::World;
use http::{Request, StatusCode};

async fn status(world: &World, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(axum::body::Body::empty()).unwrap()).await.status
}

#[tokio::test(start_paused = true)]
async fn everybody_is_an_administrator_with_whatever_token_or_none() {
    let world = World::of_trust();
    for headers in [
        &[][..],
        &[("x-auth-token", "admin:0a")],
        &[("x-auth-token", "demo:0a"), ("x-roles", "reader")],
        &[("x-auth-token", "rubbish")],
    ] {
        assert_eq!(status(&world, "/v1/segments", headers).await, StatusCode::OK, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_project_in_the_path_must_be_the_one_that_the_caller_names() {
    let world = World::of_trust();
    let path = "/v1/0a/segments";
    assert_eq!(status(&world, path, &[("x-auth-token", "admin:0a")]).await, StatusCode::OK);
    assert_eq!(status(&world, path, &[("x-project-id", "0a")]).await, StatusCode::OK);
    assert_eq!(status(&world, path, &[("x-tenant-id", "0a")]).await, StatusCode::OK);
    for headers in [&[][..], &[("x-auth-token", "admin:0b")], &[("x-project-id", "0b")]] {
        let refused = status(&world, path, headers).await;
        assert_eq!(refused, StatusCode::BAD_REQUEST, "{headers:?}");
    }
}
