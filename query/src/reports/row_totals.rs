//! Views and users of some rows that belong together: of a week, or of a type of events.

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Bounds, Count};

use crate::reports::error::{ReportError, count};
use crate::reports::unique_users::UniqueUsers;

/// What rows so far add up to.
#[derive(Debug, Default)]
pub(crate) struct RowTotals {
    pub(crate) views: u64,
    /// The number of the only row with users, which comes without its sketch.
    only_users: Option<u64>,
    /// Those of several rows.
    users: UniqueUsers,
}

impl RowTotals {
    /// Adds views.
    ///
    /// # Errors
    ///
    /// There cannot be as many.
    pub(crate) fn add_views(&mut self, views: i64) -> Result<(), ReportError> {
        self.views += count(views)?;
        Ok(())
    }

    /// Adds the users of a partition and, unless it is all time, of a day; days come in order. A statement leaves the
    /// sketch out where no other row belongs to these: the number is the answer, and the sketch stays where it is.
    ///
    /// # Errors
    ///
    /// What is stored is damaged.
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

    /// Adds the users of a month that is summed up, under its first day.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) fn add_summed_users(
        &mut self,
        month: NaiveDate,
        users: Bounds,
        sketch: Vec<u8>,
    ) -> Result<(), ReportError> {
        Ok(self.users.add(Some(month), users, sketch)?)
    }

    /// Different users of all of them.
    ///
    /// # Errors
    ///
    /// What is stored is damaged.
    pub(crate) fn unique_users(&mut self) -> Result<u64, ReportError> {
        match self.only_users {
            Some(users) => Ok(users),
            None => Ok(std::mem::take(&mut self.users).count()?.users),
        }
    }
}
