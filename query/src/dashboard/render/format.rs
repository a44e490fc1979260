//! Numbers, days and times in words.

use chrono::NaiveDate;

/// Characters of a text from outside that a page shows. It bounds the page: a path may have 2,048 bytes, and escaping
/// makes six of one.
pub(in crate::dashboard) const SHOWN_CHARS_MAX: usize = 80;

/// `1450` as `1,450`.
pub(in crate::dashboard) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number short enough for an axis: `950`, `1.5k`, `20M`.
pub(in crate::dashboard) fn abbreviated(number: u64) -> String {
    for (unit, letter) in [(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")] {
        if number >= unit {
            let (whole, tenth) = (number / unit, number % unit * 10 / unit);
            return if tenth == 0 { format!("{whole}{letter}") } else { format!("{whole}.{tenth}{letter}") };
        }
    }
    number.to_string()
}

/// `1 view`, `2 views`.
pub(in crate::dashboard) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A share of a whole: `48 %`, `0.3 %`.
pub(in crate::dashboard) fn percentage(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let thousandths = u128::from(part) * 1_000 / u128::from(whole);
    match thousandths {
        0 if part > 0 => "< 0.1 %".to_owned(),
        1..100 => format!("{}.{} %", thousandths / 10, thousandths % 10),
        _ => format!("{} %", thousandths / 10),
    }
}

/// `12 November 2025`.
pub(in crate::dashboard) fn day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// `12 Nov 2025`.
pub(in crate::dashboard) fn brief_day(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

/// `12 Nov`.
pub(in crate::dashboard) fn short_day(day: NaiveDate) -> String {
    day.format("%-d %b").to_string()
}

/// `1 to 30 November 2025`, and as much of the first day as differs from the last.
pub(in crate::dashboard) fn days(first: NaiveDate, last: NaiveDate) -> String {
    use chrono::Datelike;
    if first == last {
        return day(first);
    }
    let first_in_words = match (first.year() == last.year(), first.month() == last.month()) {
        (true, true) => first.format("%-d"),
        (true, false) => first.format("%-d %B"),
        (false, _) => first.format("%-d %B %Y"),
    };
    format!("{first_in_words} to {}", day(last))
}

/// A text from outside, cut to what a page has room for.
pub(in crate::dashboard) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_abbreviated() {
        for (number, long, short) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_450, "1,450", "1.4k"),
            (20_000, "20,000", "20k"),
            (1_234_567, "1,234,567", "1.2M"),
            (u64::MAX, "18,446,744,073,709,551,615", "18446744073.7B"),
        ] {
            assert_eq!((grouped(number).as_str(), abbreviated(number).as_str()), (long, short));
        }
        assert_eq!((counted(1, "view").as_str(), counted(1_000, "view").as_str()), ("1 view", "1,000 views"));
    }

    #[test]
    fn shares_have_as_many_digits_as_they_need() {
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (7, 7, "100 %"),
            (1, 3, "33 %"),
            (1, 30, "3.3 %"),
            (1, 2_000, "< 0.1 %"),
            (u64::MAX, u64::MAX, "100 %"),
        ] {
            assert_eq!(percentage(part, whole), text);
        }
    }

    #[test]
    fn days_are_said_without_repeating_what_is_the_same() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        for (first, last, text) in [
            ("2025-11-12", "2025-11-12", "12 November 2025"),
            ("2025-11-01", "2025-11-30", "1 to 30 November 2025"),
            ("2025-10-14", "2025-11-12", "14 October to 12 November 2025"),
            ("2024-12-31", "2025-01-01", "31 December 2024 to 1 January 2025"),
        ] {
            assert_eq!(days(day(first), day(last)), text);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let long = "é".repeat(SHOWN_CHARS_MAX + 1);
        assert_eq!(shown(&long), format!("{}…", "é".repeat(SHOWN_CHARS_MAX)));
        assert_eq!(shown("/pricing"), "/pricing");
    }
}
