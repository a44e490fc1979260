//! How long after its 200 an event is in `/stats`, under load: each probe posts an event and asks for the report that
//! contains it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep};

use crate::findings::{Finding, Findings, Target};
use crate::http::{self, Connection};
use crate::load::Load;
use crate::options::Scale;
use crate::rig::Rig;
use crate::{events, http::Answer};

const NAME: &str = "freshness";
const RATE: f64 = 5_000.0;

/// Between two probes. An odd number, so that they do not fall in with anything that has a rhythm.
const PROBE_PAUSE: Duration = Duration::from_millis(17);

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    rig.start_projector().await?;
    rig.start_query().await?;
    probe(&rig, Duration::from_secs(1)).await?;
    let cpu = rig.cpu()?;
    let lasting = scale.turn * 4;
    let load = Load { port: rig.ingest_port(), connections: 64, lasting, rate: Some(RATE), request: events::single() };
    let (heard, times) = tokio::join!(load.run(), probe(&rig, lasting));
    let (heard, times) = (heard?, times?);
    ensure!(heard.bad == 0, "{} events were refused", heard.bad);
    findings.note(ms("p50 from 200 to /stats, 5,000 events/s", &times, 50.0).target(Target::Most(30.0)));
    findings.note(ms("p99 from 200 to /stats, 5,000 events/s", &times, 99.0).target(Target::Most(150.0)));
    rig.note_cpu(NAME, "5,000 events/s", &cpu, heard.good, findings)?;
    for service in ["projector", "query"] {
        findings.note(Finding::new("memory", format!("{service}, 5,000 events/s"), "MB", rig.peak_megabytes(service)?));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ms(what: &str, times: &Histogram<u64>, percent: f64) -> Finding {
    Finding::new(NAME, what, "ms", times.value_at_percentile(percent) as f64 / 1_000.0)
}

/// Microseconds from a 200 until a report has the event.
pub(super) async fn probe(rig: &Rig, lasting: Duration) -> Result<Histogram<u64>> {
    let (mut ingest, mut query) =
        (Connection::open(rig.ingest_port()).await?, Connection::open(rig.query_port()).await?);
    let mut times = Histogram::new(3)?;
    let begun = Instant::now();
    while begun.elapsed() < lasting {
        let event = format!(
            r#"{{"site_id":"probe.example","event_type":"page_view","path":"/","timestamp":"{}"}}"#,
            ingest::clock::now().to_rfc3339()
        );
        let receipt = receipt(&ingest.exchange(&http::post("/event", event.as_bytes())).await?)?;
        let acknowledged = Instant::now();
        let asked = http::get(&format!("/stats?site_id=probe.example&after={receipt}"));
        while query.exchange(&asked).await?.status != 200 {
            ensure!(acknowledged.elapsed() < Duration::from_secs(30), "an event does not arrive in the reports");
        }
        times.record(u64::try_from(acknowledged.elapsed().as_micros())?)?;
        sleep(PROBE_PAUSE).await;
    }
    Ok(times)
}

fn receipt(answer: &Answer<'_>) -> Result<String> {
    let said: serde_json::Value = serde_json::from_slice(answer.body)?;
    said["receipt"].as_str().map(str::to_owned).with_context(|| format!("no receipt, but {}", answer.status))
}
