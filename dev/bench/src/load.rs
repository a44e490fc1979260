//! Load over HTTP. As fast as it goes: each connection sends its next request when it has its answer. At a given rate:
//! each request has an instant at which it is due, and its time is measured from there, so that a server that stalls
//! has not one slow request but all that were due meanwhile. A timer ends with a millisecond, so a request is sent up to one
//! too late, and that counts, too.
//!
//! Why not wrk or oha: wrk knows no rate, oha draws bodies from a file but cannot say what became of each; and both
//! would have to be found on the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future;
use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use crate::http::Connection;

/// The longest that is told apart: one minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Makes requests: from connection and number.
pub(crate) type Request = Arc<dyn Fn(usize, u64) -> Vec<u8> + Send + Sync>;

/// What to do.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) lasting: Duration,
    /// Requests a second over all connections; `None`: as fast as it goes.
    pub(crate) rate: Option<f64>,
    pub(crate) request: Request,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Answers with 200.
    pub(crate) good: u64,
    /// Other answers, and none.
    pub(crate) bad: u64,
    pub(crate) took: Duration,
    /// Microseconds.
    pub(crate) times: Histogram<u64>,
}

impl Load {
    pub(crate) async fn run(self) -> Result<Heard> {
        let mut opened = Vec::new();
        for _ in 0..self.connections {
            opened.push(Connection::open(self.port).await?);
        }
        let begun = Instant::now();
        let tasks = opened.into_iter().enumerate().map(|(number, connection)| {
            let load = self.clone();
            tokio::spawn(async move { load.drive(number, connection, begun).await })
        });
        let mut sum = Heard::nothing();
        for heard in future::join_all(tasks).await {
            sum.add(&heard.context("a client")??);
        }
        sum.took = begun.elapsed();
        Ok(sum)
    }

    async fn drive(self, number: usize, mut connection: Connection, begun: Instant) -> Result<Heard> {
        let mut heard = Heard::nothing();
        let pause = self.rate.map(|rate| Duration::from_secs_f64(f64::from(as_u32(self.connections)) / rate));
        let mut due =
            begun + pause.unwrap_or_default().mul_f64(f64::from(as_u32(number)) / f64::from(as_u32(self.connections)));
        for count in 0.. {
            let request = (self.request)(number, count);
            match pause {
                Some(pause) if count > 0 => due += pause,
                Some(_) => {}
                // And no waiting: a timer would end with the next millisecond.
                None => due = Instant::now(),
            }
            if due > begun + self.lasting {
                break;
            }
            if pause.is_some() {
                sleep_until(due).await;
            }
            let status = connection.exchange(&request).await.map(|answer| answer.status);
            if status.is_err() {
                connection = Connection::open(self.port).await?;
            }
            let is_good = status.is_ok_and(|status| status == 200);
            heard.times.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(LONGEST_US));
            heard.good += u64::from(is_good);
            heard.bad += u64::from(!is_good);
        }
        Ok(heard)
    }
}

impl Heard {
    fn nothing() -> Self {
        let times = Histogram::new_with_max(LONGEST_US, 3).expect("three digits are possible");
        Self { good: 0, bad: 0, took: Duration::ZERO, times }
    }

    fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.times.add(&other.times).expect("they have the same bounds");
    }

    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds that so many of a hundred requests took at most.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        self.times.value_at_percentile(percent) as f64 / 1_000.0
    }
}

fn as_u32(number: usize) -> u32 {
    u32::try_from(number).expect("a few thousand connections at most")
}
