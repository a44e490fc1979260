//! Why it is unsure that an event is stored.

/// Reason for which it is unsure that an event is stored. Sending the event again is right in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublishError {
    /// The queue has no room.
    #[error("too many events are waiting for the log; send this one again")]
    QueueFull,
    /// The log has not answered in time.
    #[error("the log did not confirm the event in time; send it again")]
    Deadline,
    /// The log has reached a bound of its own.
    #[error("the log is full; send the event again later")]
    LogFull,
    /// The log breaks a promise, and is given nothing.
    #[error("the log is not set up to keep events safe; send the event again later")]
    LogRefused,
    /// Clocks of ingest and log differ, and the log remembers ids by its own.
    #[error("the clocks of this service and of its log differ; send the event again later")]
    ClocksDiffer,
    /// The log takes smaller messages than a moment ago.
    #[error("the log takes less at once than before; send the events again")]
    TooLarge,
    /// The process is stopping.
    #[error("the service is stopping; send the event again")]
    Stopping,
}

impl PublishError {
    /// All variants.
    pub(crate) const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Deadline,
        Self::LogFull,
        Self::LogRefused,
        Self::ClocksDiffer,
        Self::TooLarge,
        Self::Stopping,
    ];

    /// Stable code for programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Deadline => "log_too_slow",
            Self::LogFull => "log_full",
            Self::LogRefused => "log_unsafe",
            Self::ClocksDiffer => "clocks_differ",
            Self::TooLarge => "log_takes_less",
            Self::Stopping => "stopping",
        }
    }
}
