//! Client of ingest, which sends unconfirmed events again.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Serialize;

use super::traffic::Event;

/// Timeout of a request; longer than ingest waits for the log.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum pause that ingest can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Pause if ingest asks for none, or does not answer.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// Maximum attempts: with a pause of at least a second, five minutes.
const TRIES_MAX: u32 = 300;

/// A client of ingest.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// Client of the ingest on this port.
    pub(super) fn new(port: u16) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build()?;
        Ok(Self { http, base: format!("http://127.0.0.1:{port}") })
    }

    /// Posts one event.
    pub(super) async fn post_one(&self, event: &Event) -> Result<()> {
        self.post("/event", event).await
    }

    /// Posts a batch.
    pub(super) async fn post_many(&self, events: &[Event]) -> Result<()> {
        self.post("/events", events).await
    }

    /// Returns once the events are stored. Their ids make a repeated request harmless.
    async fn post(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Result<()> {
        let url = format!("{}{path}", self.base);
        for _ in 0..TRIES_MAX {
            let pause = match self.http.post(&url).json(body).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => retry_after(&answer),
                Ok(answer) => {
                    let status = answer.status();
                    bail!("ingest refused it with {status}: {}", answer.text().await.unwrap_or_default())
                }
                Err(err) if err.is_builder() => return Err(err).context("making a request"),
                Err(_) => RETRY_AFTER_DEFAULT,
            };
            tokio::time::sleep(pause).await;
        }
        bail!("ingest did not take it in {TRIES_MAX} tries")
    }
}

fn retry_after(answer: &Response) -> Duration {
    let header = answer.headers().get(RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(RETRY_AFTER_DEFAULT, Duration::from_secs).min(RETRY_AFTER_MAX)
}
