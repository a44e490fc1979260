//! The dashboard: a page a site, made here and complete when it arrives. It takes no account, no script and no file
//! from elsewhere.

/// The address of a page.
mod address;

/// The UTC days that a page is about.
mod days;

/// What pages show.
mod view;

/// What every page has around it.
mod page;

/// A site's page.
mod report;

/// The key figures.
mod cards;

/// Views and users over time.
mod trend;

/// The vertical axis of a chart.
mod scale;

/// What is most frequent.
mod ranking;

/// Which part of the log a page contains, in words.
mod freshness;

/// The list of sites.
mod overview;

/// Pages that say what to do instead.
mod notice;

/// Numbers and days as people read them.
mod words;

/// Styles, script and icon.
mod assets;

/// Headers that bound what a page may do.
mod security;

#[cfg(test)]
mod tests;

/// Paths of a page: as many as one looks through. They bound the page, too: see `words::SHOWN_CHARS_MAX`.
const PATHS_MAX: u16 = 20;

/// Hosts of a page.
const HOSTS_MAX: u16 = 10;

/// Event types of a page.
const EVENT_TYPES_MAX: u16 = 12;

/// Sites to choose from: beyond that one types.
const SITES_MAX: u16 = 60;
