//! The world on a real port, for the demo: `/identity/v3` and `/compute/v2.1` behind one listener.

use crate::world::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ports::Transport;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The largest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Longer than any answer that the world keeps back.
const PATIENCE: Duration = Duration::from_secs(600);

/// Serves `world`, with its latency and its faults, until the listener fails. The world lives
/// meanwhile; [`World::run`] is not needed beside it.
///
/// # Errors
/// When the listener fails.
pub async fn serve(world: World, listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new().fallback(forward).with_state(world.transport());
    let served = std::future::IntoFuture::into_future(axum::serve(listener, router));
    match futures::future::select(Box::pin(served), std::pin::pin!(world.run())).await {
        futures::future::Either::Left((ended, _)) => ended,
        futures::future::Either::Right(((), served)) => served.await,
    }
}

async fn forward(State(transport): State<Arc<dyn Transport>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match transport.send(http::Request::from_parts(parts, body), PATIENCE).await {
        Ok(answer) => answer.map(Body::from),
        // HTTP has no way to tell a client that there is no server; a proxy before it would say this.
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
