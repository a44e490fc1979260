//! Views per site, event type and day, and per site and event type.

use super::group_key::{Group, Keys};
use crate::read_models::bigint::as_bigint;

/// Rows of one grain.
#[derive(Default)]
pub(super) struct Views<'a> {
    pub(super) keys: Keys<'a>,
    pub(super) added: Vec<i64>,
    pub(super) top_paths: Vec<Option<String>>,
}

impl<'a> Views<'a> {
    pub(super) fn push(&mut self, group: &Group<'a>, top_paths: Option<String>) {
        self.keys.push(group);
        self.added.push(as_bigint(group.counts.views()));
        self.top_paths.push(top_paths);
    }
}
