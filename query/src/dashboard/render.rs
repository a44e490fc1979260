//! The HTML of pages.

/// The frame of every page.
pub(super) mod layout;

/// The page of a site.
pub(super) mod site_page;

/// The page with all sites.
pub(super) mod site_list;

/// Pages without numbers.
pub(super) mod error_pages;

/// The key figures.
mod cards;

/// The chart of views and users over time.
mod trend;

/// The vertical axis of a chart.
mod scale;

/// Tables of the most frequent paths, hosts and event types.
mod ranking;

/// The position of a page in the log, in words.
pub(super) mod freshness;

/// Numbers, days and times in words.
pub(super) mod format;
