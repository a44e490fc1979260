//! All paths of a site, page by page.
//!
//! A page goes on behind the last entry of the one before, by its views and its path. What changes meanwhile is neither
//! repeated nor left out unless it moves past that entry: a path that gets more views may have been on no page, and is
//! on one that was read before.

use chrono::NaiveDate;
use contract::path::normalized;
use contract::{EventType, SiteId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use crate::canonical::Pairs;
use crate::cursor::Cursor;
use crate::listing::{Cell, List, PAGE_DEFAULT, PAGE_MAX, Table};
use crate::report_error::{ReportError, count};
use crate::request::{InvalidRequest, Period, Sent};
use crate::stats::PathViews;
use crate::version::Version;

/// Bytes of what is looked for: a path has no more.
const PATTERN_BYTES_MAX: usize = 2_048;

/// A page of paths that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) period: Period,
    /// What a path begins with.
    pub(crate) prefix: String,
    /// What is anywhere in it.
    pub(crate) search: String,
    pub(crate) paths_max: u16,
    /// The last entry of the page before.
    pub(crate) after: Option<Cursor>,
}

/// What only paths take, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "this is a description: nothing is ever read into it")]
pub(crate) struct PathParameters {
    /// What a path must begin with, at most 2,048 bytes. Upper and lower case differ, and no character is a wildcard.
    /// `/caf%C3%A9` and `/café` find the same paths.
    #[param(example = "/blog/")]
    prefix: Option<String>,
    /// What must be anywhere in a path, in the same way.
    #[param(example = "post")]
    search: Option<String>,
}

/// A page of paths.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is what the list is called in answers")]
pub(crate) struct Paths {
    /// Whose traffic it is.
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// The most viewed ones first; equal ones in byte order.
    pub(crate) paths: Vec<PathViews>,
    /// Where the next page begins; null if there is none.
    pub(crate) next_cursor: Option<String>,
}

/// A row of `daily.sql` and `all_time.sql`.
struct Row {
    generation_id: i32,
    checkpoints: String,
    today: NaiveDate,
    path: Option<String>,
    views: Option<i64>,
}

impl Request {
    async fn rows(&self, db: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
        let (site_id, event_type) = (self.site_id.as_str(), self.event_type.as_str());
        // One more than is shown tells whether there is another page.
        let rows_max = i64::from(self.paths_max) + 1;
        let views = self.after.as_ref().map(|after| i64::try_from(after.number).unwrap_or(i64::MAX));
        let path = self.after.as_ref().map(|after| after.key.as_str());
        let (prefix, search) = (self.prefix.as_str(), self.search.as_str());
        let (normal_prefix, normal_search) = (normalized(prefix), normalized(search));
        match self.period.days() {
            None => {
                sqlx::query_file_as!(
                    Row,
                    "src/paths/all_time.sql",
                    site_id,
                    event_type,
                    prefix,
                    search,
                    views,
                    path,
                    rows_max,
                    normal_prefix.as_ref(),
                    normal_search.as_ref()
                )
                .fetch_all(db)
                .await
            }
            Some((first, last)) => {
                sqlx::query_file_as!(
                    Row,
                    "src/paths/daily.sql",
                    site_id,
                    event_type,
                    first,
                    last,
                    prefix,
                    search,
                    views,
                    path,
                    rows_max,
                    normal_prefix.as_ref(),
                    normal_search.as_ref()
                )
                .fetch_all(db)
                .await
            }
        }
    }

    /// What a cursor belongs to: all that says which paths there are, and in which order.
    fn read_cursor(&self, text: &str) -> Result<Cursor, InvalidRequest> {
        self.with_identity(|identity| Cursor::read(text, identity)).ok_or(InvalidRequest::Cursor)
    }

    fn with_identity<T>(&self, use_identity: impl FnOnce(&[&str]) -> T) -> T {
        let period = format!("{:?}", self.period);
        use_identity(&["paths", self.site_id.as_str(), self.event_type.as_str(), &period, &self.prefix, &self.search])
    }
}

impl List for Request {
    type Report = Paths;

    const PARAMETERS: &'static [&'static str] =
        &["site_id", "date", "from", "to", "event_type", "prefix", "search", "limit", "cursor", "format"];

    fn check(sent: &mut Sent) -> Result<Self, InvalidRequest> {
        let mut request = Self {
            site_id: sent.site_id()?,
            period: sent.period()?,
            event_type: sent.event_type()?,
            prefix: sent.pattern("prefix", PATTERN_BYTES_MAX)?,
            search: sent.pattern("search", PATTERN_BYTES_MAX)?,
            paths_max: sent.limit(PAGE_DEFAULT, PAGE_MAX)?,
            after: None,
        };
        request.after = sent.take("cursor").map(|text| request.read_cursor(&text)).transpose()?;
        Ok(request)
    }

    fn pairs(&self) -> Pairs {
        let mut pairs = vec![("site_id", self.site_id.as_str().to_owned())];
        pairs.extend(self.period.pairs());
        pairs.push(("event_type", self.event_type.as_str().to_owned()));
        pairs.extend([("prefix", self.prefix.clone()), ("search", self.search.clone())]);
        pairs.push(("limit", self.paths_max.to_string()));
        let cursor = self.after.as_ref().map(|after| self.with_identity(|identity| after.write(identity)));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
        pairs
    }

    fn site_id(&self) -> Option<&str> {
        Some(self.site_id.as_str())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        self.period.last()
    }

    async fn read(&self, db: &mut PgConnection) -> Result<(Version, Paths), ReportError> {
        let rows = self.rows(db).await?;
        let first = rows.first().ok_or(ReportError::NoGeneration)?;
        let version =
            Version { generation_id: first.generation_id, checkpoints: first.checkpoints.clone(), today: first.today };
        let paths = rows.into_iter().filter_map(|row| row.path.zip(row.views));
        let paths = paths.map(|(path, views)| Ok(PathViews { path, views: count(views)? }));
        let mut paths = paths.collect::<Result<Vec<_>, ReportError>>()?;
        let has_more = paths.len() > self.paths_max.into();
        paths.truncate(self.paths_max.into());
        let last = paths.last().filter(|_| has_more);
        let next_cursor = last.map(|last| {
            let cursor = Cursor { number: last.views, key: last.path.clone() };
            self.with_identity(|identity| cursor.write(identity))
        });
        let (site_id, event_type) = (self.site_id.as_str().to_owned(), self.event_type.as_str().to_owned());
        Ok((version, Paths { site_id, event_type, paths, next_cursor }))
    }

    fn next_cursor(paths: &Paths) -> Option<&str> {
        paths.next_cursor.as_deref()
    }
}

impl From<Paths> for Table {
    fn from(paths: Paths) -> Self {
        let rows = paths.paths.into_iter().map(|top| vec![Cell::Text(top.path), Cell::Number(top.views)]);
        Self { columns: vec!["path", "views"], rows: Box::new(rows) }
    }
}
