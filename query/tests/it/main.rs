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

/// What a report says.
mod reports;

/// The first paths.
mod top_paths;

/// Users of several days and partitions.
mod users;

/// Months that are over.
mod months;

/// Where visits came from.
mod referrers;

/// The period before.
mod comparisons;

/// Views and users over time.
mod timeseries;

/// All paths.
mod paths;

/// Types of events.
mod event_types;

/// All sites.
mod sites;

/// Lists as tables.
mod formats;

/// What a client has already.
mod caching;

/// What a report says about itself.
mod meta;

/// Reports that wait for an event.
mod arrivals;

/// Totals that are pushed.
mod live;

/// The same, whatever becomes of connections.
mod live_outages;

/// Requests that are refused.
mod requests;

/// Whatever is asked for: nothing of another site.
mod isolation;

/// Whose keys let in, and to what.
mod access;

/// How many at once.
mod limits;

/// What one client leaves to others.
mod fairness;

/// One report, one snapshot, of one generation.
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

/// What the database role may not do.
mod rights;
