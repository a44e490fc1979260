//! The position of a page in the log, in words.

use maud::{Markup, html};

use super::format;
use crate::dashboard::view_model::Freshness;

pub(in crate::dashboard) fn freshness(freshness: &Freshness) -> Markup {
    let class = if freshness.is_complete { "complete" } else { "behind" };
    html! {
        p.freshness.(class) data-fresh="freshness" {
            (counted_up_to(freshness)) "; generation " (freshness.generation) "; " (missing(freshness)) "."
        }
    }
}

fn counted_up_to(freshness: &Freshness) -> String {
    if freshness.lag_seconds < 1.0 {
        return "Counted up to a moment ago".to_owned();
    }
    format!("Counted up to {} ago", span(freshness.lag_seconds))
}

fn missing(freshness: &Freshness) -> String {
    match (freshness.is_complete, freshness.lag_events) {
        (true, _) => "nothing is missing".to_owned(),
        (false, 0) => "whether anything is missing is not known at the moment".to_owned(),
        (false, events) => format!("about {} still missing", format::counted(events, "event")),
    }
}

/// Seconds in the largest unit that fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a lag is positive, and none is that long")]
fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        ..60 => format::counted(seconds, "second"),
        60..3_600 => format::counted(seconds / 60, "minute"),
        3_600..86_400 => format::counted(seconds / 3_600, "hour"),
        _ => format::counted(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let complete = Freshness { generation: 3, lag_events: 0, lag_seconds: 0.0, is_complete: true };
        for (freshness, sentence) in [
            (complete, "Counted up to a moment ago; generation 3; nothing is missing."),
            (
                Freshness { is_complete: false, lag_events: 1_200, lag_seconds: 2.4, ..complete },
                "Counted up to 2 seconds ago; generation 3; about 1,200 events still missing.",
            ),
            (
                Freshness { is_complete: false, lag_seconds: 7_300.0, ..complete },
                "Counted up to 2 hours ago; generation 3; whether anything is missing is not known at the moment.",
            ),
        ] {
            let markup = super::freshness(&freshness).into_string();
            assert!(markup.contains(sentence), "{markup}");
        }
    }
}
