//! Clients of the services: HTTP, TLS, pushes, browsers, load.

/// Requests over HTTP, and their answers.
pub mod http;

/// A client that speaks TLS.
pub mod tls;

/// Clients of `GET /live`.
pub mod live;

/// A browser, as a reader of the dashboard has one.
pub mod browser;

/// A web page of another origin than Tidemark's.
pub mod page;

/// Clients that post without a pause and remember each acknowledged event.
pub mod load;

/// A request that is known to have left, long before it is answered.
pub mod in_flight;
