//! The list of sites.

use maud::{Markup, html};

use super::format;
use crate::dashboard::address::Address;
use crate::dashboard::view_model::{Frame, SiteSummary};

pub(in crate::dashboard) fn overview(frame: &Frame, sites: &[SiteSummary]) -> Markup {
    html! {
        section.panel aria-labelledby="sites-heading" {
            header { h1 id="sites-heading" { "Sites" } p.note { "Page views and users of all time" } }
            table.ranking {
                thead {
                    tr {
                        th scope="col" { "Site" }
                        th.number scope="col" { "Views" }
                        th.number scope="col" { "Users" }
                        th.number scope="col" { "Last events" }
                    }
                }
                tbody {
                    @for row in sites {
                        tr {
                            th scope="row" { a href=(Address::of(Some(row.site.clone())).link()) { (row.site.as_str()) } }
                            td.number { (format::grouped(row.totals.views)) }
                            td.number { (format::grouped(row.totals.users)) }
                            td.number { (row.last_day.map(format::brief_day).unwrap_or_default()) }
                        }
                    }
                }
            }
            @if frame.has_more_sites { p.note { "The first " (sites.len()) ". Type the name of another one above." } }
        }
    }
}
