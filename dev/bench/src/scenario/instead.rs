//! Ingest and reports beside what one would write instead: one table, a row an event.

use anyhow::Result;
use sqlx::{Executor, PgPool};
use testkit::inputs::history::BUSY;

use super::report;
use crate::events;
use crate::findings::{Finding, Findings, median};
use crate::load::Load;
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};
use crate::server::{Server, instead};

const NAME: &str = "instead";

/// The other's name in the database.
const DATABASE: &str = "instead";

/// Rows of one statement.
const STATEMENT_ROWS: u64 = 10_000;

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    rig.stack.postgres.create_database(DATABASE).await?;
    let url = rig.stack.postgres.owner_url(DATABASE);
    let pool = PgPool::connect(&url).await?;
    pool.execute(instead::SCHEMA).await?;
    let events = scale.events / 10;
    fill(&pool, events).await?;
    BUSY.fill(&rig.stack.log().await?, PARTITIONS, events).await?;
    rig.start_projector().await?;
    rig.start_query().await?;
    rig.wait_until_drained().await?;
    let other = Server::start("serve-instead", &[("DATABASE_URL", &url)]).await?;

    let query = rig.query_port();
    for (what, range) in [("a day", "&date=2025-10-20"), ("all time", "")] {
        let path = format!("/stats?site_id={}{range}", BUSY.site(7));
        let ours = report::p99(query, path.clone(), scale).await?;
        let theirs = report::p99(other.port, path, scale).await?;
        findings.note(
            Finding::new(NAME, format!("report of {what} over {events} events: p99"), "ms", ours).ceiling(theirs),
        );
    }
    let load =
        |port| Load { port, connections: 64, lasting: scale.turn, rate: None, request: with_type(events::single()) };
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..scale.rounds {
        ours.push(load(rig.ingest_port()).run().await?.rate());
        theirs.push(load(other.port).run().await?.rate());
    }
    findings.note(Finding::new(NAME, "POST /event, 64 connections", "/s", median(ours)).ceiling(median(theirs)));
    let size = async |pool: &PgPool| -> Result<i64> {
        Ok(sqlx::query_scalar("select pg_database_size(current_database())").fetch_one(pool).await?)
    };
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (ours, theirs) = (size(&rig.pool).await? as f64 / 1e6, size(&pool).await? as f64 / 1e6);
    findings.note(Finding::new(NAME, format!("Postgres after {events} events and these"), "MB", ours).ceiling(theirs));
    Ok(())
}

/// The other takes JSON only from who says that it is JSON.
fn with_type(request: crate::load::Request) -> crate::load::Request {
    std::sync::Arc::new(move |connection, number| {
        let request = request(connection, number);
        let at = request.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(0);
        [&request[..at], b"\r\ncontent-type: application/json", &request[at..]].concat()
    })
}

async fn fill(pool: &PgPool, events: u64) -> Result<()> {
    let mut visits = BUSY.visits(1);
    for _ in 0..events / STATEMENT_ROWS {
        let rows: Vec<String> = (0..STATEMENT_ROWS).map(|_| visits.event()).collect();
        sqlx::query(
            "insert into event (site_id, event_type, path, user_id, happened_at)
             select e ->> 'site_id', e ->> 'event_type', e ->> 'path', e ->> 'user_id', (e ->> 'timestamp')::timestamptz
             from unnest($1::text[]) as text, cast(text as jsonb) as e",
        )
        .bind(rows)
        .execute(pool)
        .await?;
    }
    pool.execute("vacuum analyze event").await?;
    Ok(())
}
