//! `GET /stats` for small and large sites and for few and many days, beside `select 1` through the same server; and
//! everything else that query answers.

use std::sync::Arc;

use anyhow::Result;
use testkit::inputs::history::{LIVE_EVENTS, Shape};
use testkit::stack::DATABASE;

use crate::findings::{Finding, Findings, Target, median};
use crate::http;
use crate::load::Load;
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};
use crate::server::Server;

const NAME: &str = "report";
const CONNECTIONS: usize = 8;

/// One site each.
const SMALL: Shape = Shape { name: "small", sites: 1, days: 400, paths: 20, users: 50, envelope_events: LIVE_EVENTS };
/// How the others came into the log does not matter for reports, and full envelopes take a third of the time.
const MIDDLE: Shape = Shape { name: "middle", paths: 5_000, users: 50_000, envelope_events: 1_000, ..SMALL };
const LARGE: Shape = Shape { name: "large", paths: 50_000, users: 1_000_000, ..MIDDLE };

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    let log = rig.stack.log().await?;
    for (shape, events) in [(SMALL, 100), (MIDDLE, scale.events / 100), (LARGE, scale.events)] {
        shape.fill(&log, PARTITIONS, events).await?;
    }
    // Now, and not while the log is filled: a log that is there is folded in wide batches, which takes less.
    rig.start_projector().await?;
    rig.wait_until_drained().await?;
    rig.start_query().await?;
    testkit::observe::summaries::complete(&rig.pool).await;
    // As after a day. Otherwise Postgres would get to it while reports are measured.
    for statement in ["vacuum (analyze)", "checkpoint"] {
        sqlx::query(statement).execute(&rig.pool).await?;
    }
    let url = rig.stack.postgres.owner_url(DATABASE);
    let select = Server::start("serve-select", &[("DATABASE_URL", &url)]).await?;
    let query = rig.query_port();

    let floor = p99(select.port, "/stats".to_owned(), scale).await?;
    findings.note(Finding::new(NAME, "select 1: p99", "ms", floor));
    for (what, range, bound) in [
        ("a day", "&date=2025-10-20".to_owned(), Some(3.0)),
        ("30 days", "&from=2025-10-03&to=2025-11-01".to_owned(), None),
        ("400 days", format!("&from={}&to={}", Shape::day(399), Shape::day(0)), Some(15.0)),
        ("all time", String::new(), Some(3.0)),
    ] {
        let mut by_site = vec![];
        for shape in [SMALL, MIDDLE, LARGE] {
            let took = p99(query, format!("/stats?site_id={}{range}", shape.site(0)), scale).await?;
            let finding = Finding::new(NAME, format!("{what}, {} site: p99", shape.name), "ms", took);
            findings.note(match bound {
                Some(bound) => finding.target(Target::Most(bound)),
                None => finding,
            });
            by_site.push(took);
        }
        let flat = Finding::new(NAME, format!("{what}: large over small"), "times", by_site[2] / by_site[0]);
        findings.note(if bound == Some(3.0) { flat.target(Target::Most(1.3)) } else { flat });
    }
    lists(query, scale, findings).await?;
    let peak = Finding::new("memory", "query, reports", "MB", rig.peak_megabytes("query")?);
    findings.note(peak.target(Target::Most(64.0)));
    Ok(())
}

/// Everything else that can be asked for, of the small and the large site.
async fn lists(query: u16, scale: Scale, findings: &mut Findings) -> Result<()> {
    const MONTH: &str = "from=2025-10-03&to=2025-11-01";
    // Nothing is promised of them, and one round tells what they are like.
    let scale = Scale { rounds: 1, ..scale };
    for shape in [SMALL, LARGE] {
        let site = shape.site(0);
        for (what, path) in [
            ("30 days against those before", format!("/stats?site_id={site}&{MONTH}&compare=previous")),
            ("time series of 30 days", format!("/timeseries?site_id={site}&{MONTH}")),
            ("100 paths of 30 days", format!("/paths?site_id={site}&{MONTH}")),
            ("event types of 30 days", format!("/events/types?site_id={site}&{MONTH}")),
            ("a page of the dashboard, 30 days", format!("/?site={site}&{MONTH}")),
        ] {
            let took = p99(query, path, scale).await?;
            findings.note(Finding::new(NAME, format!("{what}, {} site: p99", shape.name), "ms", took));
        }
    }
    let took = p99(query, "/sites".to_owned(), scale).await?;
    findings.note(Finding::new(NAME, "sites: p99", "ms", took));
    Ok(())
}

/// Milliseconds, the median of some rounds; infinite if one was refused.
pub(super) async fn p99(port: u16, path: String, scale: Scale) -> Result<f64> {
    let request = http::get(&path);
    let mut p99s = vec![];
    for _ in 0..scale.rounds {
        let request = request.clone();
        let request = Arc::new(move |_, _| request.clone());
        let load = Load { port, connections: CONNECTIONS, lasting: scale.report, rate: None, request };
        let heard = load.run().await?;
        // A report that takes too long is refused: a figure like any other.
        p99s.push(if heard.bad == 0 && heard.good > 0 { heard.percentile_ms(99.0) } else { f64::INFINITY });
    }
    Ok(median(p99s))
}
