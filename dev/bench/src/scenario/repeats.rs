//! What recognising repeats costs: memory for ten million ids, and the time until a restarted projector knows them
//! again.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::DateTime;
use contract::{EventDigest, Partition};
use fold::{DedupState, DedupWindow, SeenIds, WindowSeconds};
use launcher::servers::postgres::Postgres;
use projector::read_models::checkpoint::Checkpoint;
use projector::read_models::dedup_store;
use projector::read_models::generation::GenerationId;
use projector::read_models::slice::Slice;
use sqlx::PgPool;

use crate::findings::{Finding, Findings, Target};

const NAME: &str = "repeats";
const IDS: u64 = 10_000_000;
const PARTITIONS: u16 = 4;

/// As in a full batch of a projector that catches up.
const BATCH_IDS: u64 = 20_000;

pub(crate) async fn run(is_smoke: bool, findings: &mut Findings) -> Result<()> {
    let ids = if is_smoke { IDS / 25 } else { IDS };
    let folder = tempfile::tempdir()?;
    let postgres = Postgres::start(folder.path()).await?;
    postgres.create_database("bench").await?;
    let pool = PgPool::connect(&postgres.owner_url("bench")).await?;
    projector::read_models::migrate::MIGRATOR.run(&pool).await.context("applying migrations")?;
    sqlx::query("select create_generation(1, 1, 3600, 'active')").execute(&pool).await?;

    let dedup = remember(&pool, ids).await?;
    findings.note(Finding::new(NAME, format!("{ids} ids in Postgres"), "MB", megabytes(stored_bytes(&pool).await?)));
    let before = resident_bytes()?;
    let begun = Instant::now();
    let loading = Partition::all(PARTITIONS).map(|partition| load(pool.clone(), partition, dedup));
    let tasks: Vec<_> = loading.map(tokio::spawn).collect();
    let mut known = Vec::new();
    for task in tasks {
        known.push(task.await??);
    }
    let restart =
        Finding::new(NAME, format!("{ids} ids known again after a restart"), "s", begun.elapsed().as_secs_f64());
    findings.note(restart.target(Target::Most(10.0)));
    let memory =
        Finding::new(NAME, format!("{ids} ids in memory"), "MB", megabytes(resident_bytes()?.saturating_sub(before)));
    findings.note(memory.target(Target::Most(200.0)));
    let found = known.iter().map(DedupWindow::len).sum::<usize>() as u64;
    ensure!(found == ids, "{found} ids are known instead of {ids}");
    Ok(())
}

/// Stores ids of one hour, as batches of all partitions do.
async fn remember(pool: &PgPool, ids: u64) -> Result<DedupState> {
    let mut dedup = DedupState::default();
    let per_partition = ids / u64::from(PARTITIONS);
    for partition in Partition::all(PARTITIONS) {
        let mut recent = DedupWindow::new(window(), DedupState::default());
        for batch in 0..per_partition / BATCH_IDS {
            let mut seen = SeenIds::default();
            for id in batch * BATCH_IDS..(batch + 1) * BATCH_IDS {
                let second = 1_700_000_000 + 3_600 * id / per_partition;
                let logged_at = DateTime::from_timestamp(i64::try_from(second)?, 0).context("an instant")?;
                // The multiplication by an odd number is one to one, and spreads ids as a hash does.
                let digest = EventDigest(
                    (id * u64::from(PARTITIONS) + u64::from(partition.number())).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                );
                recent.is_repeat(digest, logged_at, &mut seen);
            }
            sqlx::query("insert into recent_event_id values (1, $1, $2, $3, $4)")
                .bind(i32::from(partition.number()))
                .bind(i64::try_from(batch)? + 1)
                .bind(i64::try_from(recent.state().log_slot)?)
                .bind(seen.stored)
                .execute(pool)
                .await?;
            dedup = recent.state();
        }
    }
    Ok(dedup)
}

async fn load(pool: PgPool, partition: Partition, dedup: DedupState) -> Result<DedupWindow> {
    let slice = Slice { generation: GenerationId(1), partition };
    let checkpoint = Checkpoint {
        sequence: u64::from(u32::MAX),
        epoch: 1,
        stream_created: DateTime::UNIX_EPOCH,
        logged_at: None,
        counted_until: None,
        dedup,
    };
    Ok(dedup_store::load(&mut *pool.acquire().await?, slice, checkpoint, window()).await?)
}

fn window() -> WindowSeconds {
    3_600.try_into().expect("an hour is a window")
}

async fn stored_bytes(pool: &PgPool) -> Result<u64> {
    let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('recent_event_id')").fetch_one(pool).await?;
    Ok(u64::try_from(bytes)?)
}

/// Memory of this process that is really there, `VmRSS`.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("asking the kernel for memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
    Ok(kib * 1_024)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
