//! Demo traffic: a month of history, once for each data folder, and live visits from then on.

mod client;
mod traffic;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use crate::progress::Line;
use crate::workspace::Workspace;

use client::Client;
use traffic::{Live, history};

/// Site with the most visitors.
pub(crate) const SITE: &str = traffic::SITES[0].id;

/// Events of one request, which become one envelope for each partition.
const BATCH_EVENTS: usize = 1_000;

/// Interval of live events: three a second.
const LIVE_INTERVAL: Duration = Duration::from_millis(333);

/// The demo traffic of one data folder.
pub(crate) struct Demo {
    client: Client,
    played: Played,
    marker: PathBuf,
}

/// Progress of the history. Stored, so that an interrupted run goes on with the same events.
#[derive(Debug, Serialize, Deserialize)]
struct Played {
    /// End of the history: time of the first run.
    until: DateTime<Utc>,
    events: usize,
    is_complete: bool,
}

impl Demo {
    /// Reads the progress of an earlier run.
    pub(crate) fn open(workspace: &Workspace, ingest_port: u16) -> Result<Self> {
        let marker = workspace.data().join("demo");
        let played = Played::open(&marker)?;
        Ok(Self { client: Client::new(ingest_port)?, played, marker })
    }

    /// Plays the remaining part of the history.
    pub(crate) async fn play_history(&mut self) -> Result<()> {
        if self.played.is_complete {
            return Ok(());
        }
        let events = history(self.played.until);
        let (first, started, mut line) = (self.played.events, Instant::now(), Line::new());
        for batch in events[first.min(events.len())..].chunks(BATCH_EVENTS) {
            self.client.post_many(batch).await?;
            self.played.events += batch.len();
            self.played.save(&self.marker)?;
            let left = remaining(started.elapsed(), self.played.events - first, events.len() - self.played.events);
            let done = self.played.events;
            line.show(&format!("Playing a month of history: {done} of {} events, {left} s left", events.len()));
        }
        line.end(&format!("Played a month of history: {} events", events.len()));
        self.played.is_complete = true;
        self.played.save(&self.marker)
    }

    /// Plays live visits for ever.
    pub(crate) async fn trickle(&self) -> Result<Infallible> {
        let mut live = Live::new(now());
        let mut ticks = tokio::time::interval(LIVE_INTERVAL);
        // Events that could not be sent while ingest was down are not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.client.post_one(&live.event(now())).await?;
        }
    }
}

/// Clock of the visitors.
#[expect(clippy::disallowed_methods, reason = "demo traffic stands for clients, whose clocks stamp their events")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Seconds for `left` events, if `done` took `elapsed`.
fn remaining(elapsed: Duration, done: usize, left: usize) -> u64 {
    let done = u32::try_from(done).unwrap_or(u32::MAX).max(1);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    (elapsed / done * left).as_secs()
}

impl Played {
    fn open(marker: &Path) -> Result<Self> {
        match fs::read(marker) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("reading {}", marker.display())),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { until: now(), events: 0, is_complete: false })
            }
            Err(err) => Err(err).with_context(|| format!("reading {}", marker.display())),
        }
    }

    fn save(&self, marker: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("storing the progress of the history")?;
        let draft = marker.with_added_extension("draft");
        let write = || {
            fs::write(&draft, &text)?;
            fs::rename(&draft, marker)
        };
        write().with_context(|| format!("writing {}", marker.display()))
    }
}
