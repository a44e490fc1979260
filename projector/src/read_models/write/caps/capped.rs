//! How many events of a batch are counted under other names.

use std::ops::AddAssign;

use contract::field::OTHER;
use fold::{Dimension, Sorted, last_column};

use super::Renamed;

/// Events of a batch whose names are beyond the caps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Capped {
    types: u64,
    undated: u64,
    /// Events of each dimension, on days and on all days.
    names: [[u64; 2]; Dimension::ALL.len()],
}

impl Capped {
    /// Counts them in a batch whose types, and then names, were renamed.
    pub(in crate::read_models::write) fn of(types: Option<&Sorted>, renamed: &Renamed) -> Self {
        let mut capped = Self::default();
        for (_, event_type, day, counts) in types.into_iter().flat_map(Sorted::each) {
            capped.types += if event_type == OTHER { counts.views() } else { 0 };
            capped.undated += if day.is_none() { counts.views() } else { 0 };
        }
        let of = |dimension| [&renamed.daily, &renamed.total].map(|renamed| others(renamed.as_ref(), dimension));
        Self { names: Dimension::ALL.map(of), ..capped }
    }

    /// The counts by the kind that a metric calls them.
    pub(crate) fn by_kind(self) -> impl Iterator<Item = (String, u64)> {
        let named = Dimension::ALL.into_iter().zip(self.names).flat_map(|(dimension, [daily, total])| {
            let plural = dimension.plural();
            [(format!("{plural}_daily"), daily), (format!("{plural}_total"), total)]
        });
        [("types".to_owned(), self.types), ("far_months".to_owned(), self.undated)].into_iter().chain(named)
    }
}

impl AddAssign for Capped {
    fn add_assign(&mut self, other: Self) {
        self.types += other.types;
        self.undated += other.undated;
        let names = self.names.as_flattened_mut().iter_mut().zip(other.names.as_flattened());
        names.for_each(|(sum, number)| *sum += number);
    }
}

/// Events of other names.
fn others(renamed: Option<&Sorted>, dimension: Dimension) -> u64 {
    let counts = renamed.into_iter().flat_map(Sorted::each).map(|(.., counts)| counts);
    let names = counts.flat_map(|counts| counts.names(dimension));
    names.filter(|(name, _)| last_column(name) == OTHER).map(|(_, views)| views).sum()
}
