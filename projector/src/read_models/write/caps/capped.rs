//! How many events of a batch are counted under other names.

use std::ops::AddAssign;

use contract::field::OTHER;
use fold::Sorted;

use super::Renamed;

/// Events of a batch whose names are beyond the caps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Capped {
    pub(crate) types: u64,
    pub(crate) undated: u64,
    pub(crate) paths_daily: u64,
    pub(crate) paths_total: u64,
    pub(crate) hosts_daily: u64,
    pub(crate) hosts_total: u64,
}

impl Capped {
    /// Counts them in a batch whose types, and then paths and hosts, were renamed.
    pub(in crate::read_models::write) fn of(types: Option<&Sorted>, renamed: &Renamed) -> Self {
        let mut capped = Self::default();
        for (_, event_type, day, counts) in types.into_iter().flat_map(Sorted::each) {
            capped.types += if event_type == OTHER { counts.views() } else { 0 };
            capped.undated += if day.is_none() { counts.views() } else { 0 };
        }
        [capped.paths_daily, capped.hosts_daily] = others(renamed.daily.as_ref());
        [capped.paths_total, capped.hosts_total] = others(renamed.total.as_ref());
        capped
    }

    /// The counts by the kind that a metric calls them.
    pub(crate) fn by_kind(self) -> [(&'static str, u64); 6] {
        let Self { types, undated, paths_daily, paths_total, hosts_daily, hosts_total } = self;
        [
            ("types", types),
            ("far_months", undated),
            ("paths_daily", paths_daily),
            ("paths_total", paths_total),
            ("hosts_daily", hosts_daily),
            ("hosts_total", hosts_total),
        ]
    }
}

impl AddAssign for Capped {
    fn add_assign(&mut self, other: Self) {
        self.types += other.types;
        self.undated += other.undated;
        self.paths_daily += other.paths_daily;
        self.paths_total += other.paths_total;
        self.hosts_daily += other.hosts_daily;
        self.hosts_total += other.hosts_total;
    }
}

/// Events of other paths, and of other hosts.
fn others(renamed: Option<&Sorted>) -> [u64; 2] {
    let mut others = [0; 2];
    for (_, _, _, counts) in renamed.into_iter().flat_map(Sorted::each) {
        let paths = counts.paths().into_iter().filter(|(path, _)| *path == OTHER);
        others[0] += paths.map(|(_, views)| views).sum::<u64>();
        let is_other = |host: &contract::referrer::Host| host.as_str() == OTHER;
        let hosts = counts.referrers().into_iter().filter(|(referrer, _)| referrer.host().is_some_and(is_other));
        others[1] += hosts.map(|(_, views)| views).sum::<u64>();
    }
    others
}
