//! How everything is: generations, and of each the partitions: who owns them, how far they are folded, how fast, and
//! what keeps them from going on.

/// What was decided about history.
mod decisions;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::sleep;

use decisions::{Acknowledgement, acknowledgements};

/// Rates are measured over this time.
const MEASURED: Duration = Duration::from_secs(1);

/// How it is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// As JSON: for programs.
    #[arg(long)]
    pub json: bool,
}

/// One generation.
#[derive(Debug, Serialize)]
struct Generation {
    #[serde(rename = "generation")]
    id: i32,
    status: String,
    fold: i32,
    sketch_key: String,
    event_id_window_s: i32,
    promotion: String,
    events_per_second_max: Option<i32>,
    compared_with: Option<i32>,
    compared_rows: Option<i64>,
    compared_differences: Option<i64>,
    /// Until it has caught up, at the present rate.
    eta_seconds: Option<f64>,
    partitions: Vec<Partition>,
    acknowledgements: Vec<Acknowledgement>,
}

/// One partition of it.
#[derive(Debug, Serialize)]
struct Partition {
    #[serde(rename = "partition")]
    id: i32,
    sequence: i64,
    log_end: Option<i64>,
    lag_events: Option<i64>,
    lag_seconds: Option<f64>,
    events_per_second: f64,
    events: i64,
    epoch: i64,
    owner: Option<String>,
    is_owner_alive: bool,
    parked: i64,
    repeats: i64,
    updated_at: DateTime<Utc>,
    halted: Option<String>,
    resume_at: Option<i64>,
}

/// Prints all of it.
///
/// # Errors
///
/// The database is unavailable or has no schema.
pub async fn print(pool: &PgPool, options: Options) -> anyhow::Result<()> {
    let before = events(pool).await?;
    sleep(MEASURED).await;
    let mut generations = generations(pool).await?;
    for (id, partition) in partitions(pool, &before).await? {
        if let Some(generation) = generations.iter_mut().find(|generation| generation.id == id) {
            generation.partitions.push(partition);
        }
    }
    for (id, acknowledgement) in acknowledgements(pool).await? {
        if let Some(generation) = generations.iter_mut().find(|generation| generation.id == id) {
            generation.acknowledgements.push(acknowledgement);
        }
    }
    generations.iter_mut().for_each(estimate);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&generations)?);
    } else {
        generations.iter().for_each(show);
    }
    Ok(())
}

async fn generations(pool: &PgPool) -> sqlx::Result<Vec<Generation>> {
    let rows = sqlx::query!(
        "select generation_id, status, fold_version, sketch_key_id, event_id_window_s, promotion, events_per_second_max,
                compared_with, compared_rows, compared_differences
         from generation
         order by generation_id"
    );
    let rows = rows.fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Generation {
            id: row.generation_id,
            status: row.status,
            fold: row.fold_version,
            sketch_key: format!("{:08x}", row.sketch_key_id),
            event_id_window_s: row.event_id_window_s,
            promotion: row.promotion,
            events_per_second_max: row.events_per_second_max,
            compared_with: row.compared_with,
            compared_rows: row.compared_rows,
            compared_differences: row.compared_differences,
            eta_seconds: None,
            partitions: Vec::new(),
            acknowledgements: Vec::new(),
        })
        .collect())
}

/// Events folded so far, by generation and partition.
async fn events(pool: &PgPool) -> sqlx::Result<BTreeMap<(i32, i32), i64>> {
    let rows = sqlx::query!("select generation_id, partition_id, events from checkpoint").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| ((row.generation_id, row.partition_id), row.events)).collect())
}

async fn partitions(pool: &PgPool, before: &BTreeMap<(i32, i32), i64>) -> sqlx::Result<Vec<(i32, Partition)>> {
    let rows = sqlx::query!(
        r#"select generation_id, partition_id, checkpoint.stream_sequence, events, epoch, owner, halted_reason,
                resume_sequence, updated_at, log_end.stream_sequence as "log_end?",
                coalesce(lease_until > now(), false) as "is_owner_alive!",
                case when log_end.stream_sequence > checkpoint.stream_sequence
                     then extract(epoch from now() - coalesce(logged_at, updated_at))::float8
                     when log_end.stream_sequence is not null then 0 end as lag_seconds,
                (select count(*) from parked_event
                 where parked_event.generation_id = checkpoint.generation_id
                   and parked_event.partition_id = checkpoint.partition_id and state = 'parked') as "parked!",
                (select coalesce(sum(repeats), 0)::bigint from repeat_total
                 where repeat_total.generation_id = checkpoint.generation_id
                   and repeat_total.partition_id = checkpoint.partition_id) as "repeats!"
         from checkpoint
         left join log_end using (partition_id)
         order by generation_id, partition_id"#
    );
    let rows = rows.fetch_all(pool).await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    Ok(rows
        .into_iter()
        .map(|row| {
            let known = before.get(&(row.generation_id, row.partition_id)).copied().unwrap_or(row.events);
            let partition = Partition {
                id: row.partition_id,
                sequence: row.stream_sequence,
                log_end: row.log_end,
                lag_events: row.log_end.map(|end| lag(end - row.stream_sequence, row.events, row.stream_sequence)),
                lag_seconds: row.lag_seconds,
                events_per_second: (row.events - known) as f64 / MEASURED.as_secs_f64(),
                events: row.events,
                epoch: row.epoch,
                owner: row.owner,
                is_owner_alive: row.is_owner_alive,
                parked: row.parked,
                repeats: row.repeats,
                updated_at: row.updated_at,
                halted: row.halted_reason,
                resume_at: row.resume_sequence,
            };
            (row.generation_id, partition)
        })
        .collect())
}

/// The log counts envelopes: what is not folded yet is taken to be like what is.
fn lag(envelopes: i64, events: i64, sequence: i64) -> i64 {
    let each = if events > 0 && sequence > 0 { i128::from(events) } else { 1 };
    let of = if each == 1 { 1 } else { i128::from(sequence) };
    i64::try_from((i128::from(envelopes.max(0)) * each + of - 1) / of).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
fn estimate(generation: &mut Generation) {
    let lag: i64 = generation.partitions.iter().filter_map(|partition| partition.lag_events).sum();
    let rate: f64 = generation.partitions.iter().map(|partition| partition.events_per_second).sum();
    generation.eta_seconds = (generation.status == "building" && rate > 0.0).then(|| lag as f64 / rate);
}

fn show(generation: &Generation) {
    let Generation { id, status, fold, sketch_key, event_id_window_s, .. } = generation;
    print!("generation {id}: {status}, fold {fold}, key {sketch_key}, window {event_id_window_s} s");
    if let (Some(with), Some(rows), Some(differences)) =
        (generation.compared_with, generation.compared_rows, generation.compared_differences)
    {
        print!(", compared with {with}: {rows} rows, {differences} differ");
    }
    if let Some(eta) = generation.eta_seconds {
        print!(", ready in about {eta:.0} s");
    }
    println!();
    if generation.partitions.is_empty() {
        println!("  no partition has been folded yet");
        return;
    }
    println!(
        "  {:>9} {:>12} {:>12} {:>10} {:>8} {:>9} {:>7} {:>8}  owner",
        "partition", "sequence", "log end", "lag", "lag s", "events/s", "parked", "repeats"
    );
    generation.partitions.iter().for_each(show_partition);
    for acknowledgement in &generation.acknowledgements {
        println!("  {acknowledgement}");
    }
}

fn show_partition(partition: &Partition) {
    let unknown = || "?".to_owned();
    let owner = match &partition.owner {
        Some(owner) if partition.is_owner_alive => owner.clone(),
        Some(owner) => format!("{owner} gives no sign of life"),
        None => "none".to_owned(),
    };
    println!(
        "  {:>9} {:>12} {:>12} {:>10} {:>8} {:>9.0} {:>7} {:>8}  {owner}",
        partition.id,
        partition.sequence,
        partition.log_end.map_or_else(unknown, |end| end.to_string()),
        partition.lag_events.map_or_else(unknown, |lag| lag.to_string()),
        partition.lag_seconds.map_or_else(unknown, |lag| format!("{lag:.1}")),
        partition.events_per_second,
        partition.parked,
        partition.repeats,
    );
    if let (Some(reason), Some(resume)) = (&partition.halted, partition.resume_at) {
        println!("    stands still: {reason}");
        println!("    or go on: projector acknowledge --partition {} --to {resume} --by NAME", partition.id);
    }
}
