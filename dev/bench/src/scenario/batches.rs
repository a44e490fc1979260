//! `POST /events`, 500 events a request, all on disk before they are acknowledged; beside it the same server which
//! parses and checks them and stores nothing.

use anyhow::Result;

use crate::events;
use crate::findings::{Finding, Findings, Target, median};
use crate::load::Load;
use crate::options::Scale;
use crate::rig::Rig;
use crate::server::Server;

const NAME: &str = "batches";
const EVENTS: u32 = 500;

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let rig = Rig::start(scale.profile).await?;
    let ceiling = Server::start("serve-ceiling", &[]).await?;
    let request = events::batches(usize::try_from(EVENTS)?);
    let load = |port| Load { port, connections: 8, lasting: scale.turn, rate: None, request: request.clone() };
    let (mut ours, mut theirs, mut p99s) = (vec![], vec![], vec![]);
    let (cpu, mut stored) = (rig.cpu()?, 0);
    for _ in 0..scale.rounds {
        let heard = load(rig.ingest_port()).run().await?;
        stored += heard.good * u64::from(EVENTS);
        ours.push(heard.rate() * f64::from(EVENTS));
        p99s.push(heard.percentile_ms(99.0));
        theirs.push(load(ceiling.port).run().await?.rate() * f64::from(EVENTS));
    }
    let rate =
        Finding::new(NAME, "POST /events of 500, 8 connections, events", "/s", median(ours)).ceiling(median(theirs));
    findings.note(rate.target(Target::LeastOrRatio(500_000.0, 0.6)));
    findings.note(Finding::new(NAME, "p99 of a batch", "ms", median(p99s)));
    rig.note_cpu(NAME, "batches", &cpu, stored, findings)?;
    findings.note(Finding::new("memory", "ingest, batches", "MB", rig.peak_megabytes("ingest")?));
    Ok(())
}
