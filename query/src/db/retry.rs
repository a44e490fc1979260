//! Reports that Postgres ends in favour of somebody else. On a standby that is how its recovery gets by: what the
//! primary has removed, as the tables of a dropped generation, cannot stay for as long as a report wants to read it.

use crate::metrics;

/// Transactions that were rolled back so that others get on; 40001 is what a standby says.
const TRANSACTION_ROLLBACK: &str = "40";

/// Whether this was nobody's fault: begun anew, the same can succeed.
pub(crate) fn is_conflict(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with(TRANSACTION_ROLLBACK))
}

/// Reads, and after a conflict reads once more at once, because recovery has made its change by then. A second conflict is
/// the caller's. `conflict` returns the conflict that an error stands for, if it stands for one.
pub(crate) async fn retry_once<T, E, Reading>(
    conflict: impl Fn(&E) -> Option<&sqlx::Error>,
    read: impl Fn() -> Reading,
) -> Result<T, E>
where
    Reading: Future<Output = Result<T, E>>,
{
    let first = read().await;
    let Some(err) = first.as_ref().err().and_then(conflict) else { return first };
    tracing::debug!(error = %err, "Reading a report once more");
    metrics::conflicted();
    read().await
}
