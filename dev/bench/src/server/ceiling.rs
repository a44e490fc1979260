//! A baseline of ingest: its server with the same bounds, which parses and checks events and then forgets them. What is between this and
//! ingest is what durability costs.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use ingest::batch::{BATCH_BYTES_MAX, Batch};
use ingest::clock;
use ingest::http::EVENT_BODY_BYTES_MAX;
use ingest::http::body::{Bodies, BodyRequest};
use ingest::submission::{self, Rules};
use serde::Serialize;
use service::ApiError;

use crate::rig::PARTITIONS;

#[derive(Serialize)]
struct Accepted {
    success: bool,
    message: &'static str,
    receipt: String,
}

pub(crate) async fn run(port: u16) -> Result<()> {
    let bodies = Arc::new(Bodies::new(ingest::config::Config::default().bodies_bytes_max));
    let router = Router::new()
        .route("/event", post(post_event))
        .route("/events", post(post_events))
        .layer(DefaultBodyLimit::disable())
        .with_state(bodies);
    super::serve(port, router).await
}

async fn post_event(
    State(bodies): State<Arc<Bodies>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Accepted>, ApiError> {
    let body = bodies.read(request(&headers, EVENT_BODY_BYTES_MAX), body).await?;
    let checked = submission::parse(&body.bytes, &Rules::open(clock::now(), PARTITIONS));
    let submission = checked.map_err(|reason| ApiError::bad_request(reason.code(), reason.to_string()))?;
    Ok(accepted(u64::from(submission.events)))
}

async fn post_events(
    State(bodies): State<Arc<Bodies>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Accepted>, ApiError> {
    let body = bodies.read(request(&headers, BATCH_BYTES_MAX), body).await?;
    let parsing =
        tokio::task::spawn_blocking(move || Batch::parse(&body.bytes, &Rules::open(clock::now(), PARTITIONS)));
    let parsed = parsing.await.map_err(|_| ApiError::unavailable("not_read", "the batch could not be read"))?;
    let batch = parsed.map_err(|reason| ApiError::bad_request(reason.code(), reason.to_string()))?;
    Ok(accepted(batch.accepted as u64))
}

fn request(headers: &HeaderMap, bytes_max: usize) -> BodyRequest<'_> {
    BodyRequest { client: Ipv4Addr::LOCALHOST.into(), key: None, headers, bytes_max }
}

fn accepted(events: u64) -> Json<Accepted> {
    Json(Accepted { success: true, message: "Event checked", receipt: format!("0-{events}-0") })
}
