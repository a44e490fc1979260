//! Going on without a piece of history, or with another one. It is a decision, so it is recorded: who, when, what.

/// Confirms that what a partition is halted for is still so.
pub(super) mod confirm;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};

use crate::read_models::dedup_store;

/// Where a partition goes on.
#[derive(Debug, Clone, Copy)]
pub struct Resume {
    /// Behind this sequence.
    pub sequence: u64,
    /// When the log stored the envelope that has it, if it has one.
    pub logged_at: Option<DateTime<Utc>>,
}

/// Moves the checkpoint of a partition that stands still to where it said it would go on. Until when everything was stored
/// that has been counted is kept with it: a stream that is restored later is told by that.
///
/// # Errors
///
/// The partition does not stand still, or says another sequence: what was decided is not what is there now.
pub async fn acknowledge(pool: &PgPool, partition_id: u16, resume: Resume, by: &str) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who decides this");
    let (partition_id, to) = (i32::from(partition_id), i64::try_from(resume.sequence).context("--to is no sequence")?);
    let mut db = pool.acquire().await?;
    let mut tx = db.begin().await?;
    let halted = sqlx::query!(
        r#"select generation_id, stream_sequence, halted_reason as "halted_reason!", resume_stream_created
         from checkpoint
         where partition_id = $1 and resume_sequence = $2 and halted_reason is not null
         for update"#,
        partition_id,
        to,
    )
    .fetch_all(&mut *tx)
    .await?;
    ensure!(
        !halted.is_empty(),
        "partition {partition_id} does not stand still, or would not go on at {to}: see `projector status`"
    );
    for row in halted {
        // The epoch changes, so an owner that has read on from the old place cannot commit.
        sqlx::query!(
            "update checkpoint
             set stream_sequence = resume_sequence, stream_created = resume_stream_created, logged_at = $3,
                 counted_until = greatest(counted_until, logged_at), epoch = epoch + 1, owner = null, lease_until = null,
                 halted_reason = null, resume_sequence = null, resume_stream_created = null
             where generation_id = $1 and partition_id = $2",
            row.generation_id,
            partition_id,
            resume.logged_at,
        )
        .execute(&mut *tx)
        .await?;
        dedup_store::rewind(&mut tx, row.generation_id, partition_id, to).await?;
        let decision_id = sqlx::query_scalar!(
            "insert into acknowledgement
                 (generation_id, partition_id, stream_created, from_sequence, to_sequence, reason, acknowledged_by)
             values ($1, $2, $3, $4, $5, $6, $7)
             returning acknowledgement_id",
            row.generation_id,
            partition_id,
            row.resume_stream_created,
            row.stream_sequence + 1,
            to,
            row.halted_reason,
            by,
        )
        .fetch_one(&mut *tx)
        .await?;
        supersede_parked(&mut tx, (row.generation_id, partition_id), to, decision_id).await?;
        println!("Partition {partition_id} of generation {} goes on behind sequence {to}.", row.generation_id);
    }
    tx.commit().await?;
    Ok(())
}

/// Parked events whose sequences the log gives again are told apart from those that come by the decision.
async fn supersede_parked(
    db: &mut PgConnection,
    (generation_id, partition_id): (i32, i32),
    to: i64,
    decision_id: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update parked_event
         set superseded_by = $4
         where generation_id = $1 and partition_id = $2 and stream_sequence > $3 and superseded_by = 0",
        generation_id,
        partition_id,
        to,
        decision_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
