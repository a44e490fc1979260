//! What a script has to print, line by line.

use std::fmt;

/// Stands for anything.
const ANYTHING: &str = "…";

/// Lines with `…` in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expectation(Vec<String>);

impl Expectation {
    /// The lines of a block.
    pub(super) fn of(text: &str) -> Self {
        Self(plain_lines(text))
    }

    /// Whether this is what was printed, from the first line to the last.
    pub(super) fn fits(&self, printed: &str) -> bool {
        reaches(
            &self.0,
            &plain_lines(printed),
            |expected| expected == ANYTHING,
            |expected, line| line_fits(expected, line),
        )
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Without empty lines, and with one space where there are several: tables are as wide as what is in them.
fn plain_lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).filter(|line| !line.is_empty()).collect()
}

fn line_fits(expected: &str, line: &str) -> bool {
    let (expected, line): (Vec<char>, Vec<char>) = (expected.chars().collect(), line.chars().collect());
    reaches(&expected, &line, |char| ANYTHING.contains(*char), |expected, char| expected == char)
}

/// Whether a pattern leads from the beginning of what was found to its end.
fn reaches<Expected, Found>(
    pattern: &[Expected],
    found: &[Found],
    is_anything: impl Fn(&Expected) -> bool,
    fits: impl Fn(&Expected, &Found) -> bool,
) -> bool {
    // How much of what was found may be behind us.
    let mut reached = vec![0];
    for expected in pattern {
        reached = if is_anything(expected) {
            reached.first().map_or_else(Vec::new, |first| (*first..=found.len()).collect())
        } else {
            reached
                .into_iter()
                .filter(|at| found.get(*at).is_some_and(|found| fits(expected, found)))
                .map(|at| at + 1)
                .collect()
        };
    }
    reached.last() == Some(&found.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_anything_in_a_line() {
        for (expected, line, fits) in [
            ("Messages: 3", "  Messages:   3  ", true),
            ("Messages: 3", "Messages: 31", false),
            ("Stored in Stream: EVENTS_2 Sequence: …", "Stored in Stream: EVENTS_2 Sequence: 7", true),
            ("…EVENTS_2 … 7", "12:00:00 EVENTS_2 a 7 b 7", true),
            ("…EVENTS_2 … 7", "12:00:00 EVENTS_2 a 7 b 8", false),
        ] {
            assert_eq!(Expectation::of(expected).fits(line), fits, "{expected} | {line}");
        }
    }

    #[test]
    fn a_line_of_dots_stands_for_any_lines() {
        let expectation = Expectation::of("a\n…\nc\n");
        for (printed, fits) in
            [("a\nc", true), ("a\n\nb\nb\nc\n", true), ("a\nb", false), ("a\nc\nd", false), ("", false)]
        {
            assert_eq!(expectation.fits(printed), fits, "{printed}");
        }
        assert!(Expectation::of("").fits("\n"), "nothing is nothing");
    }
}
