//! How many events a second are counted within a second, over ten thousand sites and while they happen: the rate is
//! raised until events come later than that into reports.

use std::time::Duration;

use anyhow::Result;
use futures_util::future;
use testkit::inputs::history::LONG_TAIL;
use tokio::time::{Instant, sleep_until};

use super::freshness;
use crate::findings::{Finding, Findings};
use crate::options::Scale;
use crate::rig::Rig;
use crate::{http, http::Connection};

const NAME: &str = "live";
const CONNECTIONS: u32 = 8;
const BATCH_EVENTS: u32 = 50;

/// Events a second.
const RATES: [u32; 6] = [5_000, 10_000, 20_000, 40_000, 60_000, 80_000];

/// Beyond the knee.
const FRESHNESS_MAX_MS: f64 = 1_000.0;

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    rig.start_projector().await?;
    rig.start_query().await?;
    let mut sustained = 0.0;
    for rate in RATES {
        let lasting = scale.turn * 3;
        let cpu = rig.cpu()?;
        let (sent, times) = tokio::join!(post(&rig, rate, lasting), freshness::probe(&rig, lasting));
        let (sent, times) = (sent?, times?);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (p50, p99) = (times.value_at_percentile(50.0) as f64 / 1e3, times.value_at_percentile(99.0) as f64 / 1e3);
        findings.note(Finding::new(NAME, format!("freshness p50 at {rate} events/s"), "ms", p50));
        findings.note(Finding::new(NAME, format!("freshness p99 at {rate} events/s"), "ms", p99));
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let reached = sent as f64 / lasting.as_secs_f64();
        if p99 > FRESHNESS_MAX_MS || reached < f64::from(rate) * 0.95 {
            break;
        }
        sustained = reached;
        rig.note_cpu(NAME, &format!("{rate} events/s"), &cpu, sent, findings)?;
    }
    findings.note(Finding::new(NAME, "events counted within a second (p99)", "/s", sustained));
    findings.note(Finding::new("memory", "projector, live", "MB", rig.peak_megabytes("projector")?));
    Ok(())
}

/// Posts batches at this rate; answers how many events were acknowledged.
async fn post(rig: &Rig, rate: u32, lasting: Duration) -> Result<u64> {
    let port = rig.ingest_port();
    let begun = Instant::now();
    let clients = (0..CONNECTIONS).map(|number| {
        tokio::spawn(async move {
            let mut connection = Connection::open(port).await?;
            let mut visits = LONG_TAIL.visits(u64::from(number) + 100).live();
            let pause = Duration::from_secs(1) * BATCH_EVENTS * CONNECTIONS / rate;
            let mut due = begun + pause * number / CONNECTIONS;
            let mut sent = 0;
            while due < begun + lasting {
                let lines: Vec<_> = (0..BATCH_EVENTS).map(|_| visits.event()).collect();
                sleep_until(due).await;
                due += pause;
                // Who is behind by much does not try to make up for it: then the rate is out of reach.
                if due.elapsed() > lasting {
                    break;
                }
                let answer = connection.exchange(&http::post("/events", lines.join("\n").as_bytes())).await?;
                sent += u64::from(answer.status == 200) * u64::from(BATCH_EVENTS);
            }
            anyhow::Ok(sent)
        })
    });
    let mut sent = 0;
    for client in future::join_all(clients).await {
        sent += client??;
    }
    Ok(sent)
}
