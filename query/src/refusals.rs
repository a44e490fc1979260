//! What is told to those who get no report. Causes stay in the log.

use std::borrow::Cow;

use service::Refusal;

use crate::request::InvalidRequest;
use crate::stats::StatsError;

impl From<InvalidRequest> for Refusal {
    fn from(err: InvalidRequest) -> Self {
        Self::bad_request(err.code(), err.to_string())
    }
}

/// Refuses a report, and logs why: this is where the reason ends. `site_id` is whose report it was, if it was of one. What
/// is logged without being asked for outlives an erasure, so it names no site.
pub(crate) fn refuse(err: StatsError, site_id: Option<&str>) -> Refusal {
    let refusal = match err {
        StatsError::NoSuchEvent(_) => Refusal::bad_request(code(&err), sentence(&err)),
        _ => Refusal::unavailable(code(&err), sentence(&err)),
    };
    // Clients bring these about by themselves, as often as they like, with receipts that nobody was given, or by asking
    // all at once.
    let is_expected = matches!(
        err,
        StatsError::NotContained(_)
            | StatsError::NoSuchEvent(_)
            | StatsError::TooManyWaiting
            | StatsError::TooManyWaitingOfClient
            | StatsError::TooManyReports
            | StatsError::TooManyReportsOfClient
    );
    let error = format!("{:#}", anyhow::Error::from(err));
    if is_expected {
        tracing::debug!(site.id = site_id, error, "Cannot answer a report yet");
    } else {
        tracing::warn!(error, "Cannot answer a report");
        tracing::debug!(site.id = site_id, "The report was of this site");
    }
    refusal
}

fn sentence(err: &StatsError) -> Cow<'static, str> {
    match err {
        StatsError::NoGeneration => "there are no read models yet; ask again when the projector has made them".into(),
        StatsError::NoReferrers => {
            "the active generation does not count referrers yet; ask again when the rebuild is done".into()
        }
        StatsError::TimedOut => "the report took too long; ask again later, or for fewer days".into(),
        StatsError::NoConnection | StatsError::Database(_) | StatsError::Conflict(_) => {
            "reports cannot be read at the moment; ask again later".into()
        }
        StatsError::CorruptSketch(_)
        | StatsError::CorruptTopPaths(_)
        | StatsError::KeysDiffer(_)
        | StatsError::Negative => {
            "what is stored about the site is damaged and has to be rebuilt by an operator".into()
        }
        StatsError::NotContained(receipt) => {
            format!("reports do not contain the event of receipt {receipt} yet; ask again later").into()
        }
        StatsError::NoSuchEvent(receipt) => {
            format!("the log has no event of receipt {receipt}; after takes a receipt that an event was answered with")
                .into()
        }
        StatsError::TooManyWaiting => "too many reports wait for their events to arrive; ask again later".into(),
        StatsError::TooManyWaitingOfClient => {
            "too many reports of this client wait for their events to arrive; ask again later".into()
        }
        StatsError::TooManyReports => "too many reports are asked for at once; ask again later".into(),
        StatsError::TooManyReportsOfClient => {
            "too many reports are asked for at once by this client; ask again later".into()
        }
    }
}

fn code(err: &StatsError) -> &'static str {
    match err {
        StatsError::NoGeneration => "no_read_models",
        StatsError::NoReferrers => "no_referrers_yet",
        StatsError::TimedOut => "report_too_slow",
        StatsError::NoConnection | StatsError::Database(_) | StatsError::Conflict(_) => "database_unavailable",
        StatsError::CorruptSketch(_)
        | StatsError::CorruptTopPaths(_)
        | StatsError::KeysDiffer(_)
        | StatsError::Negative => "damaged",
        StatsError::NotContained(_) => "not_contained_yet",
        StatsError::NoSuchEvent(_) => "no_such_event",
        StatsError::TooManyWaiting | StatsError::TooManyWaitingOfClient => "too_many_waiting",
        StatsError::TooManyReports | StatsError::TooManyReportsOfClient => "too_many_reports",
    }
}
