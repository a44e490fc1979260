//! The frame of every page: the head, the choice of a site, the foot.

use contract::SiteId;
use maud::{DOCTYPE, Markup, html};

use crate::dashboard::address::HOME;
use crate::dashboard::assets;
use crate::dashboard::view_model::Frame;

/// A whole page. `foot` says how fresh it is, if it has numbers.
pub(in crate::dashboard) fn page(frame: &Frame, title: &str, main: &Markup, foot: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Tidemark" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
                link rel="stylesheet" href=(assets::STYLE.address());
                script defer src=(assets::SCRIPT.address()) {}
            }
            body {
                a.skip href="#main" { "Skip to the numbers" }
                header.top {
                    a.brand href=(HOME) {
                        img src=(assets::ICON.address()) width="24" height="24" alt="";
                        "Tidemark"
                    }
                    (site_chooser(frame))
                }
                main id="main" { (main) }
                footer {
                    (foot)
                    p { "All days are UTC days. " a href="api-docs/" { "API" } }
                }
            }
        }
    }
}

/// A select box if there are few sites, and else a text field that suggests the first sites.
fn site_chooser(frame: &Frame) -> Markup {
    let chosen = frame.address.site.as_ref();
    let is_listed = chosen.is_none_or(|site| frame.sites.contains(site));
    html! {
        form.sites action=(HOME) aria-label="Site" {
            label for="site" { "Site" }
            @if frame.has_more_sites || frame.sites.is_empty() || !is_listed {
                input id="site" name="site" list="site-list" required maxlength="64" autocomplete="off" spellcheck="false"
                    placeholder="site name" value=[chosen.map(SiteId::as_str)];
                datalist id="site-list" { @for site in &frame.sites { option value=(site.as_str()) {} } }
            } @else {
                select id="site" name="site" {
                    @for site in &frame.sites {
                        option value=(site.as_str()) selected[chosen == Some(site)] { (site.as_str()) }
                    }
                }
            }
            @for (name, value) in frame.address.pairs() {
                @if ["range", "from", "to"].contains(&name) { input type="hidden" name=(name) value=(value); }
            }
            button type="submit" { "Show" }
        }
    }
}
