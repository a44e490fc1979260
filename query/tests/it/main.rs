//! The service, with a real Postgres behind it and real HTTP before it.

/// Postgres: one server for all tests, a database for each.
mod server;

/// Read models, written as the projector writes them.
mod models;

/// The service under test.
mod service;

/// A network between the service and Postgres.
mod network;

/// A file of keys.
mod keys;

/// A client of `GET /live`.
mod event_source;

/// The time of day, as Postgres tells it.
mod clock;

/// Numbers of reports.
mod reports;

/// The first paths.
mod top_paths;

/// Users of several days and partitions.
mod users;

/// Months that are over.
mod months;

/// Referrers.
mod referrers;

/// The period before.
mod comparisons;

/// Views and users over time.
mod timeseries;

/// Lists of paths.
mod paths;

/// Types of events.
mod event_types;

/// Lists of sites.
mod sites;

/// Lists as tables.
mod formats;

/// `ETag` and `Cache-Control`.
mod caching;

/// Metadata of reports.
mod meta;

/// Reports that wait for an event.
mod arrivals;

/// Totals that are pushed.
mod live;

/// Totals that are pushed, while connections fail.
mod live_outages;

/// Requests that are refused.
mod requests;

/// Isolation of sites.
mod isolation;

/// Access by keys.
mod access;

/// Limits of concurrency.
mod limits;

/// Fairness among clients.
mod fairness;

/// Snapshots of one generation.
mod snapshots;

/// Life without Postgres.
mod outages;

/// Reports from a standby.
mod standby;

/// `/readyz`, `/healthz`, `/metrics`.
mod health;

/// Pages for people.
mod dashboard;

/// The description, browsers, and what is not there.
mod interface;

/// Rights of the database role.
mod rights;
