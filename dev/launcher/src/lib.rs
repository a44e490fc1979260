//! Runs the whole of Tidemark on one machine, and gives tests real servers.
//!
//! Every server and service is a child process that cannot outlive its parent, has its data in a folder of the caller, and
//! listens on a free port of the loopback interface. This crate depends on no other crate of the project.

pub mod workspace;

pub mod build;

pub mod ports;

pub mod process;

pub mod install;

pub mod servers;

pub mod stack;

mod secrets;

mod progress;
