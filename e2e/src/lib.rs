//! A whole Tidemark for a test: real servers, the services as processes, all of it gone when the test is.

/// Servers and services, started and stopped at will.
pub mod stack;

/// What clients say and hear.
pub mod client;

/// Read models as text, to be compared.
pub mod picture;

/// Traffic whose truth is known.
pub mod traffic;

/// Waiting for what must come, within a bound.
pub mod wait;
