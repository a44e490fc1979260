//! Errors as answers: a status, a stable code and a sentence. Causes stay in the log.

use std::borrow::Cow;

use service::ApiError;

use crate::params::ParamError;
use crate::reports::error::ReportError;

impl From<ParamError> for ApiError {
    fn from(err: ParamError) -> Self {
        Self::bad_request(err.code(), err.to_string())
    }
}

/// Refuses a report, and logs the cause. `site_id` is the site of the report, if it has one. Logs of levels that are on by
/// default outlive an erasure, so they name no site.
pub(crate) fn refuse(err: ReportError, site_id: Option<&str>) -> ApiError {
    let refusal = match err {
        ReportError::NoSuchEvent(_) => ApiError::bad_request(code(&err), sentence(&err)),
        _ => ApiError::unavailable(code(&err), sentence(&err)),
    };
    // Clients can cause these as often as they like, with invented receipts or with many requests at once.
    let is_expected = matches!(
        err,
        ReportError::NotContained(_)
            | ReportError::NoSuchEvent(_)
            | ReportError::TooManyWaiting
            | ReportError::TooManyWaitingOfClient
            | ReportError::TooManyReports
            | ReportError::TooManyReportsOfClient
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

fn sentence(err: &ReportError) -> Cow<'static, str> {
    match err {
        ReportError::NoGeneration => "there are no read models yet; ask again when the projector has made them".into(),
        ReportError::NoReferrers => {
            "the active generation does not count referrers yet; ask again when the rebuild is done".into()
        }
        ReportError::TimedOut => "the report took too long; ask again later, or for fewer days".into(),
        ReportError::NoConnection | ReportError::Database(_) | ReportError::Conflict(_) => {
            "reports cannot be read at the moment; ask again later".into()
        }
        ReportError::CorruptSketch(_)
        | ReportError::CorruptTopPaths(_)
        | ReportError::KeysDiffer(_)
        | ReportError::Negative
        | ReportError::UnexpectedRow => {
            "what is stored about the site is damaged and has to be rebuilt by an operator".into()
        }
        ReportError::NotContained(receipt) => {
            format!("reports do not contain the event of receipt {receipt} yet; ask again later").into()
        }
        ReportError::NoSuchEvent(receipt) => {
            format!("the log has no event of receipt {receipt}; after takes a receipt that an event was answered with")
                .into()
        }
        ReportError::TooManyWaiting => "too many reports wait for their events to arrive; ask again later".into(),
        ReportError::TooManyWaitingOfClient => {
            "too many reports of this client wait for their events to arrive; ask again later".into()
        }
        ReportError::TooManyReports => "too many reports are asked for at once; ask again later".into(),
        ReportError::TooManyReportsOfClient => {
            "too many reports are asked for at once by this client; ask again later".into()
        }
    }
}

fn code(err: &ReportError) -> &'static str {
    match err {
        ReportError::NoGeneration => "no_read_models",
        ReportError::NoReferrers => "no_referrers_yet",
        ReportError::TimedOut => "report_too_slow",
        ReportError::NoConnection | ReportError::Database(_) | ReportError::Conflict(_) => "database_unavailable",
        ReportError::CorruptSketch(_)
        | ReportError::CorruptTopPaths(_)
        | ReportError::KeysDiffer(_)
        | ReportError::Negative
        | ReportError::UnexpectedRow => "damaged",
        ReportError::NotContained(_) => "not_contained_yet",
        ReportError::NoSuchEvent(_) => "no_such_event",
        ReportError::TooManyWaiting | ReportError::TooManyWaitingOfClient => "too_many_waiting",
        ReportError::TooManyReports | ReportError::TooManyReportsOfClient => "too_many_reports",
    }
}
