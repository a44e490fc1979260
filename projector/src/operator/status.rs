//! How every partition is: who owns it, how far it is folded, what keeps it from going on.

use sqlx::PgPool;

/// Prints a line a partition, and what to do for those that stand still.
///
/// # Errors
///
/// The database is away or has no schema.
pub async fn print(pool: &PgPool) -> sqlx::Result<()> {
    let partitions = sqlx::query!(
        r#"select generation_id, partition_id, stream_sequence, epoch, owner, halted_reason, resume_sequence, updated_at,
                extract(epoch from lease_until - now())::float8 as lease_s,
                (select count(*) from parked_event
                 where parked_event.generation_id = checkpoint.generation_id
                   and parked_event.partition_id = checkpoint.partition_id and state = 'parked') as "parked!",
                (select coalesce(sum(repeats), 0)::bigint from repeat_total
                 where repeat_total.generation_id = checkpoint.generation_id
                   and repeat_total.partition_id = checkpoint.partition_id) as "repeats!"
         from checkpoint
         join generation using (generation_id)
         where status in ('active', 'building')
         order by generation_id, partition_id"#
    )
    .fetch_all(pool)
    .await?;
    if partitions.is_empty() {
        println!("No partition has been folded yet.");
    }
    for row in partitions {
        let owner = match (&row.owner, row.lease_s) {
            (Some(owner), Some(lease_s)) if lease_s > 0.0 => format!("owner {owner}"),
            (Some(owner), _) => format!("owner {owner} gives no sign of life"),
            _ => "no owner".to_owned(),
        };
        println!(
            "generation {} partition {}: sequence {} at {}, epoch {}, {owner}, {} parked, {} repeats",
            row.generation_id,
            row.partition_id,
            row.stream_sequence,
            row.updated_at.format("%Y-%m-%d %H:%M:%S UTC"),
            row.epoch,
            row.parked,
            row.repeats,
        );
        if let (Some(reason), Some(resume)) = (row.halted_reason, row.resume_sequence) {
            println!("  stands still: {reason}");
            println!("  or go on: projector acknowledge --partition {} --to {resume} --by NAME", row.partition_id);
        }
    }
    Ok(())
}
