//! A whole Tidemark for a test: real servers, the services as processes, all of it gone when the test is.

/// Servers and services, started and stopped at will.
pub mod stack;

/// A stream, saved and brought back.
pub mod backup;

/// Three servers that keep the log together.
pub mod cluster;

/// What clients say and hear.
pub mod client;

/// A client that speaks TLS.
pub mod secure;

/// Certificates of a test's own.
pub mod certificates;

/// Clients of `GET /live`.
pub mod watcher;

/// Read models as text, to be compared.
pub mod picture;

/// Months that are over, summed up.
pub mod summaries;

/// Traffic whose truth is known.
pub mod traffic;

/// A log of many events, made up.
pub mod history;

/// Clients that post without a pause, and remember what they heard.
pub mod load;

/// A request of which is known that it has left, long before it is answered.
pub mod sent;

/// The log, looked at from outside.
pub mod log;

/// The wire between ingest and the log, which breaks on request.
pub mod wire;

/// A disk of its own for a test, which can be filled.
pub mod disk;

/// What is left on a disk, of what was erased.
pub mod remains;

/// What the kernel knows of a process: its memory, what it has not read yet, and how many files it may have.
pub mod kernel;

/// A browser, as a reader of the dashboard has one.
pub mod browser;

/// A page of another origin.
pub mod page;

/// Metrics: served, promised, used.
pub mod metrics;

/// Prometheus with the project's own rules, in a hurry.
pub mod monitoring;

/// What receives spans.
pub mod collector;

/// Waiting for what must come, within a bound.
pub mod wait;

/// The chaos run.
pub mod chaos;

/// The chaos run without the guards that it is about.
pub mod guards;

/// A rebuild of a large log under live traffic.
pub mod replay;

/// The recipes of `nats/README.md`, carried out.
pub mod recipes;

/// Both services, asked at random as they describe themselves.
pub mod interface;
