//! The sites that have sent events, page by page in the order of their names.

use chrono::NaiveDate;
use contract::EventType;
use futures_util::TryStreamExt;
use serde::Serialize;
use service::access::Grant;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use crate::canonical::Pairs;
use crate::cursor::Cursor;
use crate::listing::{Cell, List, PAGE_DEFAULT, PAGE_MAX, Table};
use crate::report_error::ReportError;
use crate::request::{InvalidRequest, Sent};
use crate::tally::Tally;
use crate::version::Version;

/// Bytes of what is looked for: a site has no more.
const PATTERN_BYTES_MAX: usize = 64;

/// A page of sites that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Of which the numbers are. Sites without it are in the list, too.
    pub(crate) event_type: EventType<'static>,
    /// What a site begins with.
    pub(crate) prefix: String,
    /// Of which sites; none is all.
    pub(crate) among: Option<Vec<String>>,
    pub(crate) sites_max: u16,
    /// The last entry of the page before.
    pub(crate) after: Option<Cursor>,
}

/// What only sites take, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "this is a description: nothing is ever read into it")]
pub(crate) struct SitesParameters {
    /// What a site must begin with, at most 64 bytes. Upper and lower case differ, and no character is a wildcard.
    #[param(example = "site-")]
    prefix: Option<String>,
}

/// A page of sites.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is what the list is called in answers")]
pub(crate) struct Sites {
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// All that have sent events of any type, in byte order.
    pub(crate) sites: Vec<SiteCounts>,
    /// Where the next page begins; null if there is none.
    pub(crate) next_cursor: Option<String>,
}

/// The numbers of a site, of all time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SiteCounts {
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// The last UTC day with events of the type; null if there are none.
    #[schema(example = "2025-11-12")]
    pub(crate) last_day: Option<NaiveDate>,
    /// Events of the type.
    #[schema(example = 1450)]
    pub(crate) views: u64,
    /// Different users among them.
    #[schema(example = 212)]
    pub(crate) unique_users: u64,
}

/// A site of which the rows are being read.
struct Open {
    site_id: String,
    last_day: Option<NaiveDate>,
    tally: Tally,
}

impl Open {
    fn close(mut self) -> Result<SiteCounts, ReportError> {
        let (views, unique_users) = (self.tally.views, self.tally.unique_users()?);
        Ok(SiteCounts { site_id: self.site_id, last_day: self.last_day, views, unique_users })
    }
}

impl Request {
    /// What a cursor belongs to: all that says which sites there are.
    fn identity(&self) -> [&str; 3] {
        ["sites", self.event_type.as_str(), &self.prefix]
    }

    fn page(&self, mut sites: Vec<SiteCounts>) -> Sites {
        let has_more = sites.len() > self.sites_max.into();
        sites.truncate(self.sites_max.into());
        let last = sites.last().filter(|_| has_more);
        let next_cursor = last.map(|last| Cursor { number: 0, key: last.site_id.clone() }.write(&self.identity()));
        Sites { event_type: self.event_type.as_str().to_owned(), sites, next_cursor }
    }
}

impl List for Request {
    type Report = Sites;

    const PARAMETERS: &'static [&'static str] = &["event_type", "prefix", "limit", "cursor", "format"];

    fn check(sent: &mut Sent) -> Result<Self, InvalidRequest> {
        let mut request = Self {
            event_type: sent.event_type()?,
            prefix: sent.pattern("prefix", PATTERN_BYTES_MAX)?,
            among: None,
            sites_max: sent.limit(PAGE_DEFAULT, PAGE_MAX)?,
            after: None,
        };
        let cursor = sent.take("cursor");
        let cursor = cursor.map(|text| Cursor::read(&text, &request.identity()).ok_or(InvalidRequest::Cursor));
        request.after = cursor.transpose()?;
        Ok(request)
    }

    fn pairs(&self) -> Pairs {
        let mut pairs = vec![("event_type", self.event_type.as_str().to_owned()), ("prefix", self.prefix.clone())];
        pairs.push(("limit", self.sites_max.to_string()));
        pairs.extend(self.after.as_ref().map(|after| ("cursor", after.write(&self.identity()))));
        pairs
    }

    fn within(self, grant: &Grant) -> Self {
        Self { among: grant.sites(), ..self }
    }

    fn site_id(&self) -> Option<&str> {
        None
    }

    fn last_day(&self) -> Option<NaiveDate> {
        None
    }

    async fn read(&self, db: &mut PgConnection) -> Result<(Version, Sites), ReportError> {
        let after = self.after.as_ref().map_or("", |after| after.key.as_str());
        // One more than is shown tells whether there is another page.
        let sites_max = i64::from(self.sites_max) + 1;
        let event_type = self.event_type.as_str();
        let among = self.among.as_deref();
        let mut rows =
            sqlx::query_file!("src/sites.sql", event_type, self.prefix, after, sites_max, among as Option<&[String]>)
                .fetch(db);
        let (mut version, mut sites) = (None, Vec::new());
        let mut open: Option<Open> = None;
        while let Some(row) = rows.try_next().await? {
            version.get_or_insert(Version {
                generation_id: row.generation_id,
                checkpoints: row.checkpoints,
                today: row.today,
            });
            let Some(site_id) = row.site_id else { continue };
            if open.as_ref().is_none_or(|open| open.site_id != site_id) {
                sites.extend(open.take().map(Open::close).transpose()?);
            }
            let open = open.get_or_insert_with(|| Open { site_id, last_day: None, tally: Tally::default() });
            open.last_day = open.last_day.or(row.last_day);
            match (row.views, row.users) {
                (Some(views), _) => open.tally.add_views(views)?,
                (None, users) => open.tally.add_users(None, users.unwrap_or_default(), row.sketch)?,
            }
        }
        sites.extend(open.take().map(Open::close).transpose()?);
        Ok((version.ok_or(ReportError::NoGeneration)?, self.page(sites)))
    }

    fn next_cursor(sites: &Sites) -> Option<&str> {
        sites.next_cursor.as_deref()
    }
}

impl From<Sites> for Table {
    fn from(sites: Sites) -> Self {
        let rows = sites.sites.into_iter().map(|site| {
            let numbers = [site.views, site.unique_users].map(Cell::Number);
            [Cell::Text(site.site_id), Cell::Day(site.last_day)].into_iter().chain(numbers).collect()
        });
        Self { columns: vec!["site_id", "last_day", "views", "unique_users"], rows: Box::new(rows) }
    }
}
