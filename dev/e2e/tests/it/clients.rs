//! Clients of the services beside those of the test kit: TLS, browsers, pages, and such that hang up.

/// A client that speaks TLS.
pub(crate) mod tls;

/// A browser, as a reader of the dashboard has one.
pub(crate) mod browser;

/// A web page of another origin than Tidemark's.
pub(crate) mod page;

/// A request that is known to have left, long before it is answered.
pub(crate) mod in_flight;
