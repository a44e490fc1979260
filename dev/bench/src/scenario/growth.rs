//! What an event costs as there are more of them: the same shape, folded for the first time, at several sizes. Reports
//! over sites of different sizes are measured by `report`.

use anyhow::Result;
use testkit::inputs::history::BUSY;
use tokio::time::Instant;

use super::rebuild::{self, per_second, wal_bytes};
use crate::findings::{Finding, Findings};
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};

const NAME: &str = "growth";

/// Parts of a large log.
const TENTHS: [u64; 3] = [1, 10, 30];

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut smallest = None;
    for tenths in TENTHS {
        let events = scale.events * tenths / 10;
        let what = format!("fold of {events} events");
        if let Some(known) = known(findings).filter(|_| events == scale.events) {
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

/// The rate at which `rebuild` has folded all of such a log in this run.
fn known(findings: &Findings) -> Option<f64> {
    let name = rebuild::first_fold("busy");
    findings.of("rebuild").find(|finding| finding.what == name).map(|finding| finding.ours)
}
