//! What events are counted by, beside their site, type and day.

use std::borrow::Cow;

use contract::field::OTHER;
use contract::referrer::Host;
use contract::{Event, Referrer, path};

use crate::version::FoldVersion;

/// Between the columns of a name. No text of Postgres has this character.
const SEPARATOR: char = '\0';

/// A field of events whose values are counted: read models have the views of each name that it takes.
///
/// A name is the text of one column, or the texts of several ones, which [`columns`] takes apart. Caps apply to the last of
/// them, unless it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The path.
    Path,
    /// Kind and host of the referrer.
    Referrer,
}

/// How many names of a dimension a site may bring, those of each event type apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameCaps {
    /// On a day.
    pub daily: u64,
    /// On all days.
    pub total: u64,
}

impl Dimension {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Path, Self::Referrer];

    /// The fold version that counts it first.
    pub fn since(self) -> FoldVersion {
        match self {
            Self::Path => FoldVersion(2),
            Self::Referrer => FoldVersion(3),
        }
    }

    /// What its names are called in metrics.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Path => "paths",
            Self::Referrer => "hosts",
        }
    }

    /// How many names a site may have, counted by fold version 5 and later ones.
    pub(crate) const fn caps(self) -> NameCaps {
        match self {
            // Twice the largest days that are measured; at 2 KiB a path 200 MB.
            Self::Path => NameCaps { daily: 100_000, total: 1_000_000 },
            Self::Referrer => NameCaps { daily: 10_000, total: 100_000 },
        }
    }

    /// The name of an event, as a fold of this version counts it.
    pub(crate) fn name<'e>(self, event: &'e Event<'_>, version: FoldVersion) -> Cow<'e, str> {
        match self {
            Self::Path => {
                let path = event.path.without_query();
                if version.normalizes_paths() { path::normalized(path) } else { path.into() }
            }
            Self::Referrer => {
                let read = if version.knows_ports() { Referrer::of } else { Referrer::without_ports };
                let referrer = read(event.referrer.as_ref(), &event.site_id);
                let host = referrer.host().map_or("", Host::as_str);
                format!("{}{SEPARATOR}{host}", referrer.kind()).into()
            }
        }
    }
}

/// The texts of a name's columns.
pub fn columns(name: &str) -> impl Iterator<Item = &str> {
    name.split(SEPARATOR)
}

/// The text of the last column, which is empty for names that do not count towards caps.
pub fn last_column(name: &str) -> &str {
    name.rsplit(SEPARATOR).next().unwrap_or(name)
}

/// The name that is counted in the place of one beyond a cap.
pub(crate) fn other(name: &str) -> String {
    format!("{}{OTHER}", name.strip_suffix(last_column(name)).unwrap_or(name))
}
