//! Upper bounds of how many names a site has, and the exact number where the cap is near.

use super::batch::{Group, firsts};
use super::stored::{Kind, Names};
use fold::Others;

/// At most so many names, of paths and of hosts.
#[derive(Debug)]
pub(super) struct NameBounds {
    paths: Bound,
    hosts: Bound,
}

/// Numbers of paths and of hosts that a site may have, on a day or in all.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameCaps {
    pub(super) paths: u64,
    pub(super) hosts: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) names: u64,
    pub(super) is_exact: bool,
}

impl NameBounds {
    /// Bounds of so many events: each brings one path and one host at most.
    pub(super) fn of(views: u64) -> Self {
        let bound = Bound { names: views, is_exact: views == 0 };
        Self { paths: bound, hosts: bound }
    }

    /// Adds names that there is no room for to the others.
    pub(super) async fn cap<'a>(
        &mut self,
        mut names: Names<'_, 'a>,
        caps: NameCaps,
        groups: &[&Group<'a>],
        others: &mut Others<'a>,
    ) -> sqlx::Result<()> {
        let Self { paths, hosts } = self;
        let NameCaps { paths: paths_max, hosts: hosts_max } = caps;
        let paths_max_added = groups.iter().map(|group| group.counts.paths_max() as u64).sum();
        if !paths.take(paths_max_added, paths_max) {
            let sent = firsts(groups, |group| group.counts.names().paths);
            others.paths.extend(names.beyond(Kind::Paths, paths, paths_max, sent).await?);
        }
        let hosts_max_added = groups.iter().map(|group| group.counts.referrers_max() as u64).sum();
        if !hosts.take(hosts_max_added, hosts_max) {
            let sent = firsts(groups, |group| group.counts.names().hosts);
            others.hosts.extend(names.beyond(Kind::Hosts, hosts, hosts_max, sent).await?);
        }
        Ok(())
    }
}

impl Bound {
    /// Tenths of a cap beyond which an exact number is kept exact, so that rows are not counted again and again.
    const NEAR_TENTHS: u64 = 9;

    /// Takes in a batch's names where there is room for all of them, whichever are new.
    pub(super) fn take(&mut self, added: u64, cap: u64) -> bool {
        let is_near = self.names * 10 > cap * Self::NEAR_TENTHS;
        let has_room = self.names + added <= cap && !(self.is_exact && is_near);
        if has_room && added > 0 {
            *self = Self { names: self.names + added, is_exact: false };
        }
        has_room || added == 0
    }
}
