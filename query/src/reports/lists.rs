//! Reports that are lists: each is read with one statement.

/// Views and users of each day, week or month.
pub(crate) mod timeseries;

/// All paths, page by page.
pub(crate) mod paths;

/// The event types of a site.
pub(crate) mod event_types;

/// All sites, page by page.
pub(crate) mod sites;
