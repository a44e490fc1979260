//! The HTML of pages.

pub(super) mod layout;

pub(super) mod site_page;

pub(super) mod site_list;

pub(super) mod error_pages;

mod cards;

mod trend;

mod scale;

mod ranking;

pub(super) mod freshness;

pub(super) mod format;
