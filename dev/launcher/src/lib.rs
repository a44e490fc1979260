//! Runs the whole of Tidemark on one machine, and gives tests real servers.
//!
//! Every server and service started here is a child that cannot outlive its parent, has its data in a folder of the
//! caller's, and listens on a free port of the loopback interface. Nothing here knows what an event means to a report:
//! this crate depends on no other crate of the project.

/// The command line.
pub mod options;

/// What `cargo run` does, from beginning to end.
pub mod run;

/// Where the project lies, and its data folder.
pub mod workspace;

/// Finds nats-server, Postgres, the nats CLI, Chromium and Prometheus, or installs them.
pub mod install;

/// Builds the three services.
pub mod build;

/// What runs in the local stack.
mod stack;

/// The three services as processes.
mod services;

/// Private servers, for the local stack and for tests.
pub mod servers;

/// Waits until a process that was started serves.
pub mod ready;

/// Child processes that cannot outlive this one.
pub mod process;

/// Processes of an earlier run that was killed.
mod leftovers;

/// Free ports, and who holds one that is not free.
pub mod ports;

/// Passwords and keys.
mod secrets;

/// The account that Postgres runs under when this process is root.
mod account;

/// What leads an operator's tools to the servers.
pub mod environment;

/// Demo traffic.
mod demo;

/// What takes so long.
mod progress;

/// Where everything is.
mod summary;
