//! The cloud: its size and pace, and its one port, where `POST /demo/hosts/{host}/fail` and `…/return`
//! stand beside Keystone and Nova.

use super::{Place, stage::Stage};
use crate::ports_of::Machine;
use anyhow::Context;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use ports::Transport;
use recovery::HostName;
use sim::{Endpoints, Pace, Shape, World};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// The same cloud each time, down to the ids of its VMs.
const SEED: u64 = 20_251_121;
/// The largest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Longer than any answer that the cloud keeps back.
const PATIENCE: Duration = Duration::from_secs(600);

/// Four hosts with six VMs each; of every six one is off, one is locked by its owner, and three are
/// `HA_Enabled`. Nova's times are shorter than in real clouds, so that nobody has to wait long.
pub(super) fn world(machine: &Machine, place: &Place) -> World {
    let shape = Shape {
        hosts: 4,
        vms_per_host: 6,
        ha_enabled_every: 2,
        stopped_every: 5,
        locked_every: 6,
        service_down_time_ms: 4_000,
        report_interval_ms: 1_000,
        pace: Pace {
            builds_per_host: 1,
            build_ms: 1_000..=4_000,
            handover_ms: 0,
            schedule_ms: 100..=400,
            power_ms: 300..=800,
            boot_ms: 1_000,
            latency_ms: 1..=10,
        },
        endpoints: Endpoints {
            base: place.cloud.clone(),
            instance_ha: format!("{}/v1", place.api),
        },
        ..Shape::default()
    };
    World::new(SEED, machine.clock.clone(), shape)
}

/// Serves the cloud until the socket fails.
pub(super) async fn serve(world: World, stage: Stage, listener: TcpListener) -> anyhow::Result<()> {
    let plug = Router::new()
        .route("/demo/hosts/{host}/fail", post(fail))
        .route("/demo/hosts/{host}/return", post(give_back))
        .with_state(stage);
    let cloud = Router::new().fallback(forward).with_state(world.transport()).merge(plug);
    tokio::select! {
        served = std::future::IntoFuture::into_future(axum::serve(listener, cloud)) => {
            served.context("its socket failed")
        }
        () = world.run() => Ok(()),
    }
}

/// To Keystone and Nova.
async fn forward(State(cloud): State<Arc<dyn Transport>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match cloud.send(axum::http::Request::from_parts(parts, body), PATIENCE).await {
        Ok(answer) => answer.map(Body::from),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn fail(State(stage): State<Stage>, Path(host): Path<String>) -> Response {
    answer(stage.fail(&HostName::new(host)).map(|()| "it loses its power now"))
}

async fn give_back(State(stage): State<Stage>, Path(host): Path<String>) -> Response {
    answer(stage.give_back(&HostName::new(host)).await.map(|()| "it boots now"))
}

fn answer(done: Result<&str, String>) -> Response {
    match done {
        Ok(text) => (StatusCode::ACCEPTED, format!("{text}\n")).into_response(),
        Err(why) => (StatusCode::CONFLICT, format!("no: {why}\n")).into_response(),
    }
}
