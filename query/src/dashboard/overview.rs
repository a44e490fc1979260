//! The list of sites.

use maud::{Markup, html};

use super::address::Address;
use super::view::SiteSummary;
use super::words;

pub(super) fn overview(sites: &[SiteSummary], has_more: bool) -> Markup {
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
                            td.number { (words::grouped(row.totals.views)) }
                            td.number { (words::grouped(row.totals.users)) }
                            td.number { (row.last_day.map(words::brief_day).unwrap_or_default()) }
                        }
                    }
                }
            }
            @if has_more { p.note { "The first " (sites.len()) ". Type the name of another one above." } }
        }
    }
}
