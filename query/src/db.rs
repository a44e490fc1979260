//! Connections to Postgres, and its readiness.

/// A pool of connections, shared fairly by clients.
pub(crate) mod pool;

/// A connection on loan from the pool.
pub(crate) mod pooled;

/// One retry after a conflict with the recovery of a standby.
pub(crate) mod retry;

/// The answer of `/readyz`, from a query once a second.
pub(crate) mod readiness;

/// The check whether this version can use the databases.
pub(crate) mod compatibility;
