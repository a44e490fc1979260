//! Views per referrer: of a day, and of all days. Folds that count none add nothing, so that their generations need not
//! have the tables.

use contract::Referrer;
use contract::referrer::Host;

use super::group_key::{Group, Keys};
use crate::read_models::bigint::as_bigint;

/// Rows of one grain.
#[derive(Default)]
pub(super) struct Referrers<'a> {
    pub(super) keys: Keys<'a>,
    pub(super) kind: Vec<&'a str>,
    pub(super) host: Vec<&'a str>,
    pub(super) views: Vec<i64>,
}

impl<'a> Referrers<'a> {
    pub(super) fn push(&mut self, group: &Group<'a>) {
        for (referrer, views) in group.counts.referrers() {
            self.keys.push(group);
            self.kind.push(referrer.kind());
            self.host.push(host_or_empty(referrer));
            self.views.push(as_bigint(views));
        }
    }
}

/// A column of a key has no null.
pub(super) fn host_or_empty(referrer: &Referrer) -> &str {
    referrer.host().map_or("", Host::as_str)
}
