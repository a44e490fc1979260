//! What an event costs as there are more of them: a log that is folded for the first time, and what it has cost when it has
//! come so far. Reports over sites of different sizes are measured by `report`.

use std::time::Duration;

use anyhow::Result;
use e2e::history::BUSY;
use tokio::time::{Instant, sleep};

use super::rebuild::{per_second, wal_bytes};
use crate::findings::{Finding, Findings};
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};

const NAME: &str = "growth";

/// Where it is looked at, in tenths of a large log. It ends at the last one.
const TENTHS: [u64; 3] = [1, 10, 30];

const LOOK_PAUSE: Duration = Duration::from_millis(20);

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    let all = BUSY.fill(&rig.stack.log().await?, PARTITIONS, scale.events * TENTHS[TENTHS.len() - 1] / 10).await?;
    let envelopes: i64 = rig.stack.log_ends().await?.iter().map(|(_, last)| last).sum();
    let (wal, cpu) = (wal_bytes(&rig.pool).await?, rig.cpu()?);
    let begun = Instant::now();
    rig.start_projector().await?;
    let mut smallest = None;
    for tenths in TENTHS {
        let folded = folded(&rig, all / envelopes.unsigned_abs(), scale.events * tenths / 10).await?;
        let rate = per_second(folded, begun.elapsed());
        // Whole batches: more than was waited for.
        let first = format!("the first {:.1} million", folded as f64 / 1e6);
        let finding = Finding::new(NAME, format!("{first}: fold, events"), "/s", rate);
        findings.note(finding.ceiling(*smallest.get_or_insert(rate)));
        rig.note_cpu(NAME, &first, &cpu, folded, findings)?;
        let wal = (wal_bytes(&rig.pool).await? - wal) as f64 / folded as f64;
        findings.note(Finding::new(NAME, format!("{first}: WAL, an event"), "bytes", wal));
        let peak = rig.peak_megabytes("projector")?;
        findings.note(Finding::new("memory", format!("projector, {first}"), "MB", peak));
    }
    Ok(())
}

/// Waits until so many events are in the read models, and answers how many are.
async fn folded(rig: &Rig, events_of_envelope: u64, events: u64) -> Result<u64> {
    loop {
        // Before the projector has made them there are no checkpoints.
        let checkpoints = e2e::picture::checkpoints(&rig.pool).await.unwrap_or_default();
        let envelopes: i64 = checkpoints.iter().map(|(_, sequence)| sequence).sum();
        let folded = envelopes.unsigned_abs() * events_of_envelope;
        if folded >= events {
            return Ok(folded);
        }
        sleep(LOOK_PAUSE).await;
    }
}
