//! A summary with its top paths, read with as few statements as the data allows.

use sqlx::PgConnection;

use super::summary::Summary;
use super::top_k::TopK;
use super::{PathViews, days, months, paths, single_row};
use crate::params::{Period, StatsRequest};
use crate::reports::error::ReportError;

/// Days of a range that is read with one statement first. In a longer range one of the top paths is likely to be missing in
/// some day's list, and reading all of it twice costs more than a transaction. Summaries of months are likely to decide.
const DAYS_OF_ONE_STATEMENT: i64 = 7;

/// A summary, and the top paths.
pub(super) struct Ranked {
    pub(super) summary: Summary,
    pub(super) top_paths: Vec<PathViews>,
}

impl Ranked {
    /// Reads a report with one statement. Returns `None` where that leaves open how many users there are, or which the
    /// top paths are: then all of it has to be read again, with the paths, in one transaction.
    pub(super) async fn read_at_once(
        db: &mut PgConnection,
        request: &StatsRequest,
    ) -> Result<Option<Self>, ReportError> {
        let summary = match request.period {
            Period::AllTime => single_row::read(db, request, None).await?,
            Period::Day(day) => single_row::read(db, request, Some(day)).await?,
            range if range.is_longer_than(DAYS_OF_ONE_STATEMENT) => months::read(db, request).await?,
            Period::Range { .. } => Some(days::read(db, request).await?),
        };
        Ok(summary.and_then(|summary| Self::of_lists(summary, request)))
    }

    /// Reads a report in its transaction.
    pub(super) async fn read(tx: &mut PgConnection, request: &StatsRequest) -> Result<Self, ReportError> {
        match months::read(tx, request).await?.and_then(|summary| Self::of_lists(summary, request)) {
            Some(ranked) => Ok(ranked),
            None => Self::read_days(tx, request).await,
        }
    }

    /// Reads a report in its transaction from its days, without summaries of months.
    pub(super) async fn read_days(tx: &mut PgConnection, request: &StatsRequest) -> Result<Self, ReportError> {
        let summary = days::read(tx, request).await?;
        let lists = &summary.views.lists;
        let top_paths = match lists.top_k(request.paths_max.into()) {
            TopK::Decided(paths) => paths,
            TopK::Needs(lookups) => {
                let views = paths::look_up(tx, request, &lookups).await?;
                lists.decided(request.paths_max.into(), &views, &lookups)
            }
            TopK::Open => paths::add_up(tx, request).await?,
        };
        Ok(Self { summary, top_paths })
    }

    /// The summary with its top paths, if its lists decide which these are.
    fn of_lists(summary: Summary, request: &StatsRequest) -> Option<Self> {
        match summary.views.lists.top_k(request.paths_max.into()) {
            TopK::Decided(top_paths) => Some(Self { summary, top_paths }),
            TopK::Needs(_) | TopK::Open => None,
        }
    }
}
