//! Clients of `GET /live`, one or a crowd of them.

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use reqwest::Response;
use serde_json::Value;
use tokio::time::Instant;

use crate::clients::http::Client;

/// How the totals of an event begin.
const DATA: &str = "data: ";

/// One client.
pub struct Watcher {
    response: Response,
    received: String,
}

/// Many that watch the same.
pub struct Crowd(Vec<Watcher>);

impl Watcher {
    /// Begins to watch. The client must be as patient as it is to watch.
    pub async fn open(client: &Client, query: &str) -> Result<Self> {
        let response = client.begin(&format!("/live?{query}")).await?;
        ensure!(response.status() == 200, "{}", response.text().await?);
        Ok(Self { response, received: String::new() })
    }

    /// The next totals.
    pub async fn totals(&mut self) -> Result<Value> {
        loop {
            while let Some(end) = self.received.find('\n') {
                let line: String = self.received.drain(..=end).collect();
                if let Some(totals) = line.strip_prefix(DATA) {
                    return Ok(serde_json::from_str(totals)?);
                }
            }
            let bytes = self.response.chunk().await?.context("the stream is over")?;
            self.received.push_str(std::str::from_utf8(&bytes)?);
        }
    }

    /// Watches until there are so many views; answers when they came.
    pub async fn until_views(&mut self, views: u64) -> Result<Instant> {
        while self.totals().await?["total_views"].as_u64() < Some(views) {}
        Ok(Instant::now())
    }
}

impl Crowd {
    /// So many clients that watch.
    pub async fn open(client: &Client, query: &str, clients: usize) -> Result<Self> {
        Ok(Self(try_join_all((0..clients).map(|_| Watcher::open(client, query))).await?))
    }

    /// Watches until all of them are told of so many views; answers when the last one was.
    pub async fn until_views(&mut self, views: u64) -> Result<Instant> {
        let told = try_join_all(self.0.iter_mut().map(|watcher| watcher.until_views(views))).await?;
        told.into_iter().max().context("a crowd has clients")
    }
}
