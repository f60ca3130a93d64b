//! `auth_strategy = noauth2`: everybody is who they say they are.

use crate::world::World;
use http::{Request, StatusCode};

async fn status(world: &World, path: &str, token: Option<&str>) -> StatusCode {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("x-auth-token", token);
    }
    world.send(request.body(axum::body::Body::empty()).unwrap()).await.status
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_or_admin_is_an_administrator_and_others_are_not() {
    let world = World::of_trust();
    assert_eq!(status(&world, "/v1/segments", None).await, StatusCode::OK);
    assert_eq!(status(&world, "/v1/segments", Some("admin:0a")).await, StatusCode::OK);
    assert_eq!(status(&world, "/v1/segments", Some("demo:0a")).await, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn the_project_in_the_path_must_be_the_one_in_the_token() {
    let world = World::of_trust();
    assert_eq!(status(&world, "/v1/0a/segments", Some("admin:0a")).await, StatusCode::OK);
    assert_eq!(status(&world, "/v1/0b/segments", Some("admin:0a")).await, StatusCode::BAD_REQUEST);
    assert_eq!(status(&world, "/v1/0b/segments", None).await, StatusCode::OK);
}
