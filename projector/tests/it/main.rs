//! Transactions against a real Postgres: what a commit does, and what it refuses. And headers, against the client library.

/// The checkpoint and everything it stands for, or nothing at all.
mod commit;

/// What counts once, whenever it could be read, and whatever is forgotten.
mod repeats;

/// Who may fold a wide batch.
mod turns;

/// Names beyond a site's caps.
mod cardinality;

/// Where visits came from.
mod referrers;

/// The paths with the most views.
mod top_paths;

/// The list of tables, and the schema.
mod tables;

/// When tables are vacuumed.
mod vacuum;

/// Headers, as the client library delivers them and as we read them.
mod headers;
