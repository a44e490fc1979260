//! A whole Tidemark for a test: real servers and the services as processes, all of it gone when the test is, with clients that
//! talk to it, faults that strike it, inputs of which the truth is known, and ways to observe what became of them.

/// Servers and services, started and stopped at will.
pub mod stack;

/// Three NATS servers that keep the log together.
pub mod cluster;

/// A stream, saved and brought back.
pub mod backup;

/// Clients of the services: HTTP, TLS, pushes, browsers, load.
pub mod clients;

/// Faults of the network and of disks.
pub mod faults;

/// Traffic, histories and certificates that tests put in.
pub mod inputs;

/// Read models, the log, metrics, spans, processes and files, observed from outside.
pub mod observe;

/// Conditions, waited for within a bound.
pub mod wait;

/// Failures of tests, and the folders that these keep.
pub mod failure;
