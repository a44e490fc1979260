//! A whole Tidemark for tests, drills and measurements: real servers and the services as processes, all of it gone when the
//! test is, with clients that talk to it, inputs, and ways to observe what became of them. What only end-to-end tests need is
//! beside them.

/// Servers and services, started and stopped at will.
pub mod stack;

/// Clients of the services: HTTP, pushes, load.
pub mod clients;

/// Logs of millions of events, made up.
pub mod inputs;

/// Read models, the log and processes, observed from outside.
pub mod observe;

/// Conditions, waited for within a bound.
pub mod wait;

/// Failures of tests, and the folders that these keep.
pub mod failure;
