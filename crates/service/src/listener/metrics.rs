//! Metrics of connections.

use metrics::{Unit, counter, describe_counter};

/// Connections that were accepted.
const CONNECTIONS: &str = "http_connections_total";

/// Connections that the service has closed, by reason.
const CLOSED: &str = "http_connections_closed_total";

/// Reason for which the service closes a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Closed {
    /// The connection had no request for too long.
    Idle,
    /// The headers of a request took too long.
    SlowHeaders,
    /// The client took too little of an answer.
    SlowReader,
    /// The connection was idle, and a new one needed its slot.
    NoRoom,
    /// There was no slot for a new connection.
    Refused,
}

impl Closed {
    const ALL: [Self; 5] = [Self::Idle, Self::SlowHeaders, Self::SlowReader, Self::NoRoom, Self::Refused];

    pub(super) fn count(self) {
        counter!(CLOSED, "reason" => self.reason()).increment(1);
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::SlowHeaders => "slow_headers",
            Self::SlowReader => "slow_reader",
            Self::NoRoom => "no_room",
            Self::Refused => "refused",
        }
    }
}

/// Describes these metrics, and starts counters at 0.
pub(super) fn describe() {
    describe_counter!(CONNECTIONS, Unit::Count, "Connections that were accepted");
    describe_counter!(CLOSED, Unit::Count, "Connections that the service has closed, by reason");
    counter!(CONNECTIONS).increment(0);
    for reason in Closed::ALL {
        counter!(CLOSED, "reason" => reason.reason()).increment(0);
    }
}

pub(super) fn accepted() {
    counter!(CONNECTIONS).increment(1);
}
