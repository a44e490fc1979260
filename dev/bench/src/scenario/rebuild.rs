//! Replay of the whole log into Postgres, committed; beside it the same log, read and decoded and nothing else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use contract::{Envelope, Partition};
use futures_util::StreamExt;
use futures_util::future;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::inputs::history::{BUSY, LONG_TAIL, Shape};
use testkit::stack::DATABASE;
use tokio::time::Instant;

use crate::findings::{Finding, Findings, Target};
use crate::options::Scale;
use crate::rig::{PARTITIONS, Rig};

const NAME: &str = "rebuild";

/// What is asked for at a time, as the projector does.
const PULL_MESSAGES: usize = 4_000;
const PULL_BYTES: usize = 8 << 20;

pub(crate) async fn run(scale: Scale, findings: &mut Findings) -> Result<()> {
    for (shape, name) in [(BUSY, "busy"), (LONG_TAIL, "long tail")] {
        measure(shape, name, scale, findings).await.context(name)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn measure(shape: Shape, name: &str, scale: Scale, findings: &mut Findings) -> Result<()> {
    let mut rig = Rig::start(scale.profile).await?;
    let events = shape.fill(&rig.stack.log().await?, PARTITIONS, scale.events).await?;
    let read = per_second(events, read_and_decode(&rig, events).await?);
    let (wal, cpu) = (wal_bytes(&rig.pool).await?, rig.cpu()?);
    let begun = Instant::now();
    rig.start_projector().await?;
    rig.wait_until_drained().await?;
    let first = per_second(events, begun.elapsed());
    findings.note(Finding::new(NAME, first_fold(name), "/s", first).ceiling(read));
    rig.note_cpu(NAME, &format!("{name}, first fold"), &cpu, events, findings)?;
    let wal_each = (wal_bytes(&rig.pool).await? - wal) as f64 / events as f64;
    findings.note(Finding::new("disk", format!("WAL of the first fold, {name}, an event"), "bytes", wal_each));

    let (wal, cpu) = (wal_bytes(&rig.pool).await?, rig.cpu()?);
    let begun = Instant::now();
    rig.stack.operate(&["rebuild"]).await?;
    let took = begun.elapsed();
    let rebuilt = Finding::new(NAME, format!("{name}: rebuild, events"), "/s", per_second(events, took)).ceiling(read);
    findings.note(if shape == BUSY { rebuilt.target(Target::LeastOrRatio(1e6, 0.6)) } else { rebuilt });
    rig.note_cpu(NAME, &format!("{name}, rebuild"), &cpu, events, findings)?;
    let wal_each = (wal_bytes(&rig.pool).await? - wal) as f64 / events as f64;
    findings.note(Finding::new("disk", format!("WAL of a rebuild, {name}, an event"), "bytes", wal_each));
    if shape == LONG_TAIL {
        let (rows, copied) = copy(&rig).await?;
        let ours = per_second(rows, took);
        let rows_rate = Finding::new(NAME, format!("{name}: rows, against COPY of the same"), "/s", ours);
        findings.note(rows_rate.ceiling(per_second(rows, copied)).target(Target::Least(0.5)));
    }
    let peak = Finding::new("memory", format!("projector, rebuild, {name}"), "MB", rig.peak_megabytes("projector")?);
    findings.note(peak.target(Target::Most(300.0)));
    Ok(())
}

/// What the rate of the first fold of a shape is called.
pub(super) fn first_fold(name: &str) -> String {
    format!("{name}: first fold, events")
}

/// All partitions at once, as the projector does.
async fn read_and_decode(rig: &Rig, events: u64) -> Result<Duration> {
    let log = Arc::new(rig.stack.log().await?);
    let begun = Instant::now();
    let partitions = Partition::all(PARTITIONS).map(|partition| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let stream = log.get_stream(partition.stream()).await?;
            let mut left = stream.cached_info().state.messages;
            let config = pull::Config { ack_policy: AckPolicy::None, memory_storage: true, ..Default::default() };
            let consumer = stream.create_consumer(config).await?;
            let pulled = consumer.stream().max_messages_per_batch(PULL_MESSAGES).max_bytes_per_batch(PULL_BYTES);
            let mut messages = pulled.messages().await?;
            let mut decoded = 0;
            while left > 0 {
                let message = messages.next().await.context("the consumer ended")??;
                let envelope = Envelope::open(None, &message.payload)?;
                decoded += envelope.lines().filter(|line| line.event.is_ok()).count() as u64;
                left -= 1;
            }
            anyhow::Ok(decoded)
        })
    });
    let mut decoded = 0;
    for partition in future::join_all(partitions).await {
        decoded += partition??;
    }
    ensure!(decoded == events, "{decoded} of {events} events were read");
    Ok(begun.elapsed())
}

/// Copies the rows of the active generation into tables like theirs, through a file: (rows, time of writing them).
async fn copy(rig: &Rig) -> Result<(u64, Duration)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname || '_g' || (select generation_id from generation where status = 'active')
         from pg_partitioned_table join pg_class on pg_class.oid = partrelid order by pg_class.oid",
    )
    .fetch_all(&rig.pool)
    .await?;
    let (mut rows, mut took) = (0, Duration::ZERO);
    let pool = rig.stack.database(DATABASE)?;
    // A folder of the server's own, which is all that it may write to.
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&pool).await?;
    let file = format!("{folder}/copied");
    for table in tables {
        let run = async |statement: String| sqlx::query(AssertSqlSafe(statement)).execute(&pool).await;
        rows += run(format!("copy {table} to '{file}' (format binary)")).await?.rows_affected();
        run(format!("create table copied (like {table} including all) with (fillfactor = 80)")).await?;
        let begun = Instant::now();
        run(format!("copy copied from '{file}' (format binary)")).await?;
        took += begun.elapsed();
        run("drop table copied".to_owned()).await?;
    }
    Ok((rows, took))
}

/// Where Postgres's write-ahead log ends, in bytes.
pub(super) async fn wal_bytes(pool: &PgPool) -> Result<i64> {
    let position = sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint");
    Ok(position.fetch_one(pool).await?)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn per_second(number: u64, time: Duration) -> f64 {
    number as f64 / time.as_secs_f64()
}
