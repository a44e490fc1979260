//! One retry after a conflict with the recovery of a standby. Recovery cancels reports that read what the primary has removed,
//! such as the tables of a dropped generation.

use crate::metrics;

/// The class of errors of rolled back transactions; a standby reports 40001.
const TRANSACTION_ROLLBACK: &str = "40";

/// Whether the statement was cancelled by a conflict, and may succeed when it is repeated.
pub(crate) fn is_conflict(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with(TRANSACTION_ROLLBACK))
}

/// Reads, and after a conflict reads once more at once, because recovery has made its change by then. After a second conflict
/// the client decides when to ask again. `conflict` returns the conflict that an error stands for, if it stands for one.
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
