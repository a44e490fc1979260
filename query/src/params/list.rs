//! The trait of the parameters of lists.

use chrono::NaiveDate;
use service::access::Grant;

use super::{Pairs, ParamError, RawParams};

/// Entries of a page without `limit`.
pub(super) const PAGE_DEFAULT: u16 = 100;

/// Entries of any page: 1,000 paths of up to 2,048 bytes make an answer of 2 MB.
pub(super) const PAGE_MAX: u16 = 1_000;

/// A valid request for a list.
pub(crate) trait ListParams: Sized {
    /// The names of the parameters, with `format`.
    const PARAMETERS: &'static [&'static str];

    /// Reads all parameters but `format`.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    fn check(params: &mut RawParams) -> Result<Self, ParamError>;

    /// The parameters that ask for this list, without `format`.
    fn pairs(&self) -> Pairs;

    /// Cuts a list of many sites down to those that the key may see. A list of one site stays: the grant is checked for it.
    fn within(self, _: &Grant) -> Self {
        self
    }

    /// The site, if the list is of one.
    fn site_id(&self) -> Option<&str>;

    /// The last day of the list; `None` if that end is open.
    fn last_day(&self) -> Option<NaiveDate>;
}
