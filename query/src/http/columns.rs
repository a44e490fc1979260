//! Lists as rows and columns.

use super::csv::{Cell, Table};
use super::list_answer::ListReport;
use crate::reports::lists::event_types::EventTypes;
use crate::reports::lists::paths::Paths;
use crate::reports::lists::sites::Sites;
use crate::reports::lists::timeseries::Timeseries;

impl ListReport for Paths {
    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl From<Paths> for Table {
    fn from(paths: Paths) -> Self {
        let rows = paths.paths.into_iter().map(|top| vec![Cell::Text(top.path), Cell::Number(top.views)]);
        Self { columns: vec!["path", "views"], rows: Box::new(rows) }
    }
}

impl ListReport for Sites {
    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
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

impl ListReport for EventTypes {}

impl From<EventTypes> for Table {
    fn from(types: EventTypes) -> Self {
        let rows = types.event_types.into_iter().map(|counts| {
            vec![Cell::Text(counts.event_type), Cell::Number(counts.views), Cell::Number(counts.unique_users)]
        });
        Self { columns: vec!["event_type", "views", "unique_users"], rows: Box::new(rows) }
    }
}

impl ListReport for Timeseries {}

impl From<Timeseries> for Table {
    fn from(timeseries: Timeseries) -> Self {
        let first = &timeseries.buckets[0];
        let columns =
            [Some("first"), Some("last"), first.views.and(Some("views")), first.unique_users.and(Some("unique_users"))];
        let rows = timeseries.buckets.into_iter().map(|counts| {
            let days = [counts.bucket.first, counts.bucket.last].map(|day| Cell::Day(Some(day)));
            days.into_iter()
                .chain([counts.views, counts.unique_users].into_iter().flatten().map(Cell::Number))
                .collect()
        });
        Self { columns: columns.into_iter().flatten().collect(), rows: Box::new(rows) }
    }
}
