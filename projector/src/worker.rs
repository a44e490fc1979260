//! What runs: follows the log into the read models, one task for each partition of each generation.

pub(crate) mod context;

pub(crate) mod bootstrap;

pub(crate) mod generations;

pub(crate) mod assignment;

pub(crate) mod partitions;

pub(crate) mod partition;

pub(crate) mod batch;

pub(crate) mod lease;

pub(crate) mod acknowledged;

pub mod pacing;

pub(crate) mod high_water_mark;

pub(crate) mod monthly_rollup;

pub(crate) mod parked_gauge;

pub(crate) mod health;
