//! How long after its POST an event has been pushed to all of a thousand clients of `GET /live`, and what these cost.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::clients::live::Crowd;
use testkit::observe::kernel::raise_file_limit;
use tokio::time::{Instant, sleep, timeout};

use crate::findings::{Finding, Findings, Target, median};
use crate::http::{self, Connection};
use crate::options::Scale;
use crate::rig::Rig;

const NAME: &str = "live-clients";
const CLIENTS: usize = 1_000;

/// Between two events: less than what is read together, so that each is pushed by itself.
const PAUSE: Duration = Duration::from_millis(307);

/// For whatever must come.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    raise_file_limit(2 * CLIENTS as u64 + 1_000)?;
    let mut rig = Rig::start(scale.profile).await?;
    rig.start_projector().await?;
    rig.start_query().await?;
    let mut ingest = Connection::open(rig.ingest_port()).await?;
    post(&mut ingest).await?;
    rig.wait_until_drained().await?;
    let idle = rig.peak_megabytes("query")?;
    let client = rig.stack.query_client.patient_for(Duration::from_hours(1));
    let mut crowd = Crowd::open(&client, "site_id=live.example", CLIENTS).await?;
    timeout(PATIENCE, crowd.until_views(1)).await??;
    let (begun, mut views, mut times) = (Instant::now(), 1, vec![]);
    while begun.elapsed() < scale.turn * 4 {
        sleep(PAUSE).await;
        let posted = Instant::now();
        post(&mut ingest).await?;
        views += 1;
        let told = timeout(PATIENCE, crowd.until_views(views)).await??;
        times.push((told - posted).as_secs_f64() * 1e3);
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    findings.note(Finding::new(NAME, "from the POST to the last of 1,000: median", "ms", median(times)));
    let finding = Finding::new(NAME, "from the POST to the last of 1,000: slowest", "ms", slowest);
    findings.note(finding.target(Target::Most(1_000.0)));
    findings.note(Finding::new("memory", "query, before", "MB", idle));
    let peak = Finding::new("memory", "query, 1,000 clients of /live", "MB", rig.peak_megabytes("query")?);
    findings.note(peak.target(Target::Most(64.0)));
    Ok(())
}

async fn post(ingest: &mut Connection) -> Result<()> {
    let event = format!(
        r#"{{"site_id":"live.example","event_type":"page_view","path":"/","timestamp":"{}"}}"#,
        ingest::clock::now().to_rfc3339()
    );
    let answer = ingest.exchange(&http::post("/event", event.as_bytes())).await?;
    ensure!(answer.status == 200, "an event was refused: {}", answer.status);
    Ok(())
}
