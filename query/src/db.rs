//! Connections to Postgres, and its readiness.

pub(crate) mod pool;

pub(crate) mod pooled;

pub(crate) mod retry;

pub(crate) mod readiness;

pub(crate) mod compatibility;
