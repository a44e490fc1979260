//! Servers that only some tests need.

/// Three NATS servers that keep the log together.
pub(crate) mod cluster;

/// A stream, saved and brought back.
pub(crate) mod backup;

/// A proxy in front of services.
pub(crate) mod nginx;

/// A pooler between a service and Postgres.
pub(crate) mod pgbouncer;

/// Monitoring.
pub(crate) mod prometheus;

/// A library that makes the clock of a program wrong.
pub(crate) mod faketime;
