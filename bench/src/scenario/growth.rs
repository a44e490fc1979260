//! What an event costs as there are more of them: the same shape, folded for the first time, at several sizes. Reports
//! over sites of different sizes are measured by `report`.

use anyhow::Result;
use e2e::history::BUSY;
use tokio::time::Instant;

use super::rebuild::{self, per_second, wal_bytes};
use crate::findings::{Finding, Findings};
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};

const NAME: &str = "growth";

/// Parts of a large log. That of ten is the one that `rebuild` folds, too.
const TENTHS: [u64; 3] = [1, 10, 30];

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut smallest = None;
    for tenths in TENTHS {
        let events = scale.events * tenths / 10;
        let what = format!("fold of {events} events");
        let is_known = findings.of("rebuild").find(|finding| finding.what == rebuild::first_fold("busy"));
        if let Some(known) = is_known.filter(|_| tenths == 10).map(|finding| finding.ours) {
            findings.note(Finding::new(NAME, what, "/s", known).ceiling(*smallest.get_or_insert(known)));
            continue;
        }
        let mut rig = Rig::start(scale.profile).await?;
        let events = BUSY.fill(&rig.stack.log().await?, PARTITIONS, events).await?;
        let (wal, cpu) = (wal_bytes(&rig.pool).await?, rig.cpu()?);
        let begun = Instant::now();
        rig.start_projector().await?;
        rig.wait_until_drained().await?;
        let rate = per_second(events, begun.elapsed());
        findings.note(Finding::new(NAME, what, "/s", rate).ceiling(*smallest.get_or_insert(rate)));
        rig.note_cpu(NAME, &format!("{events} events"), &cpu, events, findings)?;
        let wal = (wal_bytes(&rig.pool).await? - wal) as f64 / events as f64;
        findings.note(Finding::new(NAME, format!("{events} events: WAL, an event"), "bytes", wal));
        let peak = rig.peak_megabytes("projector")?;
        findings.note(Finding::new("memory", format!("projector, {events} events"), "MB", peak));
    }
    Ok(())
}
