//! Reports that are lists: each is read with one statement.

pub(crate) mod timeseries;

pub(crate) mod paths;

pub(crate) mod event_types;

pub(crate) mod sites;
