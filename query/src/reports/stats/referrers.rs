//! The hosts that the visits of a report came from, in the snapshot of the report.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::params::StatsRequest;
use crate::reports::error::{ReportError, count};

/// The first version of the fold that counts referrers. Generations of older ones do not have the tables.
const FOLD_WITH_REFERRERS: i32 = 3;

/// The hosts that visits came from. Together, with hosts that are not among the top ones, they are the total.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Referrers {
    /// The other hosts that most visits came from; equal ones in byte order.
    pub(crate) top: Vec<HostViews>,
    /// Visits that came from the site itself.
    pub(crate) own: u64,
    /// Visits without a referrer.
    pub(crate) none: u64,
    /// Visits whose referrer is no URL with a host.
    pub(crate) unreadable: u64,
}

/// A host, and the visits from there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostViews {
    /// The host in lower case, without port. `(other)` is all hosts beyond the first 10,000 of a day, or 100,000 of all time.
    #[schema(example = "google.com")]
    pub(crate) host: String,
    /// The number of events of the type.
    pub(crate) views: u64,
}

/// The row of `referrers_daily.sql` and `referrers_all_time.sql`.
struct Row {
    fold_version: i32,
    hosts: Vec<String>,
    host_views: Vec<i64>,
    own: i64,
    none: i64,
    unreadable: i64,
}

/// Reads the referrers in the transaction of a report.
pub(super) async fn read(db: &mut PgConnection, request: &StatsRequest) -> Result<Referrers, ReportError> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let hosts_max = i64::from(request.paths_max);
    let row = match request.period.days() {
        None => {
            let row = sqlx::query_file_as!(
                Row,
                "src/reports/stats/sql/referrers_all_time.sql",
                site_id,
                event_type,
                hosts_max
            );
            row.fetch_optional(db).await?
        }
        Some((first, last)) => {
            let row = sqlx::query_file_as!(
                Row,
                "src/reports/stats/sql/referrers_daily.sql",
                site_id,
                event_type,
                first,
                last,
                hosts_max
            );
            row.fetch_optional(db).await?
        }
    };
    let row = row.ok_or(ReportError::NoGeneration)?;
    if row.fold_version < FOLD_WITH_REFERRERS {
        return Err(ReportError::NoReferrers);
    }
    let top = row.hosts.into_iter().zip(row.host_views);
    Ok(Referrers {
        top: top
            .map(|(host, views)| Ok(HostViews { host, views: count(views)? }))
            .collect::<Result<_, ReportError>>()?,
        own: count(row.own)?,
        none: count(row.none)?,
        unreadable: count(row.unreadable)?,
    })
}
