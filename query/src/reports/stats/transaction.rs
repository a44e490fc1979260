//! Several statements that see one moment.

use sqlx::{Connection, PgConnection, PgTransaction};

use crate::params::Period;

/// Begins a transaction in which all statements of a report see the same.
///
/// Its moment is that of the first statement which reads, and the tables must be locked before: otherwise a generation
/// could be active in that moment and dropped before its tables are opened, and would read as empty. Locking takes no
/// snapshot.
pub(super) async fn begin(db: &mut PgConnection, period: Period) -> sqlx::Result<PgTransaction<'_>> {
    let mut tx = db.begin_with("begin isolation level repeatable read, read only").await?;
    lock(&mut tx, period).await?;
    Ok(tx)
}

/// Keeps the tables of a report from being dropped. In the order of `create_generation()`, like the statements.
async fn lock(db: &mut PgConnection, period: Period) -> sqlx::Result<()> {
    match period {
        Period::AllTime => {
            sqlx::query!("lock table view_total, path_total, user_total, referrer_total in access share mode")
        }
        Period::Day(_) | Period::Range { .. } => {
            sqlx::query!(
                "lock table view_daily, path_daily, user_daily, referrer_daily, month_summary in access share mode"
            )
        }
    }
    .execute(db)
    .await?;
    Ok(())
}
