//! `POST /event`, one event a request, on disk before it is acknowledged; beside it the same server which parses and
//! checks the event and stores nothing.

use anyhow::Result;

use crate::disk::Log;
use crate::events;
use crate::findings::{Finding, Findings, Target, median};
use crate::load::{Heard, Load};
use crate::options::Scale;
use crate::rig::Rig;
use crate::server::Server;

const NAME: &str = "ingest";
const CONNECTIONS: [usize; 3] = [1, 64, 512];

/// Further turns at most, until blocks of the log are full and show what an event takes.
const FILLED_MAX: usize = 9;

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let rig = Rig::start(scale.profile).await?;
    let ceiling = Server::start("serve-ceiling", &[]).await?;
    let mut top_rate = 0.0;
    for connections in CONNECTIONS {
        let load = |port, rate| Load { port, connections, lasting: scale.turn, rate, request: events::single() };
        let (mut ours, mut theirs, mut p99s) = (vec![], vec![], vec![]);
        let (cpu, before, mut stored) = (rig.cpu()?, Log::measure(&rig.stack).await?, 0);
        for _ in 0..scale.rounds {
            let heard = load(rig.ingest_port(), None).run().await?;
            stored += heard.good;
            ours.push(heard.rate());
            p99s.push(heard.percentile_ms(99.0));
            theirs.push(load(ceiling.port, None).run().await?.rate());
        }
        top_rate = median(ours.clone());
        let rate = Finding::new(NAME, format!("POST /event, {connections} connections"), "/s", top_rate)
            .ceiling(median(theirs));
        findings.note(if connections == 64 { rate.target(Target::Least(0.75)) } else { rate });
        let p99 = Finding::new(NAME, format!("p99 at {connections} connections"), "ms", median(p99s));
        findings.note(if connections == 64 { p99.target(Target::Most(5.0)) } else { p99 });
        if connections == 64 {
            rig.note_cpu(NAME, "64 connections", &cpu, stored, findings)?;
            let mut log = Log::measure(&rig.stack).await?;
            for _ in 0..FILLED_MAX {
                if log.has_full_blocks() {
                    break;
                }
                stored += load(rig.ingest_port(), None).run().await?.good;
                log = Log::measure(&rig.stack).await?;
            }
            let each =
                Finding::new("disk", "the log, 64 connections, an event", "bytes", log.bytes_each(&before, stored));
            findings.note(each.target(Target::Most(50.0)));
            findings.note(Finding::new("disk", "the event's JSON", "bytes", events::json_bytes()));
        }
    }
    let half = Load {
        port: rig.ingest_port(),
        connections: 512,
        lasting: scale.turn,
        rate: Some(top_rate / 2.0),
        request: events::single(),
    };
    let mut p99s = vec![];
    for _ in 0..scale.rounds {
        p99s.push(half.clone().run().await.map(|heard: Heard| heard.percentile_ms(99.0))?);
    }
    findings.note(
        Finding::new(NAME, "p99 at half of that, 512 connections", "ms", median(p99s)).target(Target::Most(10.0)),
    );
    let peak = Finding::new("memory", "ingest, up to 512 connections", "MB", rig.peak_megabytes("ingest")?);
    findings.note(peak.target(Target::Most(64.0)));
    Ok(())
}
