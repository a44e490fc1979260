//! Which part of two generations is compared, and how many differences are printed.

use chrono::NaiveDate;

use crate::read_models::compare::{Difference, Scope};

/// What both kinds of comparison are asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ScopeArgs {
    /// Only this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Only UTC days from this one on, and nothing about all time.
    #[arg(long)]
    pub from: Option<NaiveDate>,
    /// Only UTC days up to this one, and nothing about all time.
    #[arg(long)]
    pub to: Option<NaiveDate>,
    /// Differences to print; all are counted.
    #[arg(long, default_value_t = 100)]
    pub limit: u64,
    /// Verifying, compare what is remembered of event ids, too. It differs where parked events were counted later.
    #[arg(long)]
    pub with_ids: bool,
}

impl ScopeArgs {
    pub(crate) fn scope(&self) -> Scope {
        Scope { site_id: self.site.clone(), first: self.from, last: self.to }
    }

    /// Prints the first differences that it is given.
    pub(crate) fn printer(&self) -> impl FnMut(&Difference) + Send + use<> {
        let mut left = self.limit;
        move |difference| {
            if left > 0 {
                println!("{difference}");
            }
            left = left.saturating_sub(1);
        }
    }
}
