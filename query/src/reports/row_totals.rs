//! Sums of rows that belong together, such as those of a week or of an event type.

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Bounds, Count};

use crate::reports::error::{ReportError, count};
use crate::reports::unique_users::UniqueUsers;

/// The sums of the rows so far.
#[derive(Debug, Default)]
pub(crate) struct RowTotals {
    pub(crate) views: u64,
    /// The number of users of the only row with users, which comes without its sketch.
    only_users: Option<u64>,
    /// The users of several rows.
    users: UniqueUsers,
}

impl RowTotals {
    /// Adds views.
    pub(crate) fn add_views(&mut self, views: i64) -> Result<(), ReportError> {
        self.views += count(views)?;
        Ok(())
    }

    /// Adds the users of a partition and, unless the row is of all time, of a day; days come in order. A statement leaves out the
    /// sketch of a row that stands alone: its number is the answer, and the sketch is not read.
    pub(crate) fn add_users(
        &mut self,
        day: Option<NaiveDate>,
        users: i64,
        sketch: Option<Vec<u8>>,
    ) -> Result<(), ReportError> {
        let users = count(users)?;
        match sketch {
            None => self.only_users = Some(users),
            Some(sketch) => {
                let users = Count::new(users, Accuracy::of_stored(&sketch)?);
                self.users.add(day, users, sketch)?;
            }
        }
        Ok(())
    }

    /// Adds the users of a month with a summary, under its first day.
    pub(crate) fn add_summed_users(
        &mut self,
        month: NaiveDate,
        users: Bounds,
        sketch: Vec<u8>,
    ) -> Result<(), ReportError> {
        Ok(self.users.add(Some(month), users, sketch)?)
    }

    /// The number of distinct users.
    pub(crate) fn unique_users(&mut self) -> Result<u64, ReportError> {
        match self.only_users {
            Some(users) => Ok(users),
            None => Ok(std::mem::take(&mut self.users).count()?.users),
        }
    }
}
