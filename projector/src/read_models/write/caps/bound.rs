//! Upper bounds of how many names a site has, and the exact number where the cap is near.

use super::batch::{Group, firsts};
use super::stored::Names;
use fold::{Caps, Dimension, Others};

/// At most so many names of each dimension.
#[derive(Debug)]
pub(super) struct NameBounds([Bound; Dimension::ALL.len()]);

#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) names: u64,
    pub(super) is_exact: bool,
}

impl NameBounds {
    /// Bounds of so many events: each brings one name of a dimension at most.
    pub(super) fn of(views: u64) -> Self {
        Self([Bound { names: views, is_exact: views == 0 }; Dimension::ALL.len()])
    }

    /// Adds names that there is no room for to the others.
    pub(super) async fn cap<'a>(
        &mut self,
        mut names: Names<'_, 'a>,
        caps: Caps,
        groups: &[&Group<'a>],
        others: &mut Others<'a>,
    ) -> sqlx::Result<()> {
        for dimension in Dimension::ALL {
            let (bound, caps) = (&mut self.0[dimension as usize], caps.names[dimension as usize]);
            let cap = if names.day.is_some() { caps.daily } else { caps.total };
            let added_max = groups.iter().map(|group| group.counts.names_max(dimension) as u64).sum();
            if !bound.take(added_max, cap) {
                let beyond = names.beyond(dimension, bound, cap, firsts(groups, dimension)).await?;
                others.names[dimension as usize].extend(beyond);
            }
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
