//! Clients of the services: HTTP, pushes, load.

/// Requests over HTTP, and their answers.
pub mod http;

/// Clients of `GET /live`.
pub mod live;

/// Clients that post without a pause and remember each acknowledged event.
pub mod load;
