//! One file a promise. Each test starts servers and services of its own and stops them again.

/// The contract of the service that Tidemark replaces, to the letter.
mod contract;

/// Every line of an access log, in; the truth, out.
mod traffic;

/// Killed, doubled, cut differently: the read models come out equal to the byte.
mod exactly_once;

/// What operators ask and decide.
mod operator;

/// Several projectors: each has its share, and none commits what is not its own.
mod leases;

/// An event shows soon.
mod latency;

/// Nothing is skipped in silence.
mod history;
