//! Drills: programs that run a whole Tidemark for minutes and judge it, where an end-to-end test takes seconds.

/// The chaos run: kills, freezes, cuts and clock jumps under load, and a comparison to the event.
pub mod chaos;

/// Mutation test: each guard is taken out of a copy of the project, and something has to notice.
pub mod mutants;

/// A rebuild of a large log under live traffic.
pub mod rebuild_drill;

/// The recipes of `nats/README.md`, carried out.
pub mod runbook;

/// Random requests against the OpenAPI descriptions of both services.
pub mod api_fuzz;
