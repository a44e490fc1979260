//! What must not be, by kind.

use std::collections::BTreeMap;
use std::fmt;

/// Examples kept of each kind.
const EXAMPLES_MAX: usize = 8;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chaos) enum Kind {
    /// Acknowledged events that are not counted.
    Lost,
    /// Events that are counted more often than they were acknowledged.
    CountedTwice,
    /// Reports whose total is not the sum of their paths.
    Torn,
    /// Reports with fewer views than an earlier one, without a crash of Postgres between them.
    Backwards,
    /// Reports that could not be had although nothing they need was down.
    Unavailable,
    /// Events that were acknowledged while the log broke a promise.
    Untrusted,
    /// Answers that are not as documented.
    Answer,
    /// Poison that is not parked, not once, or not as it was.
    Parked,
    /// Repeats that were dropped are fewer than those sent on purpose.
    Repeats,
    /// Users that are off by more than a sketch is.
    Users,
    /// Rows that come out differently when the log is folded again.
    Rebuilt,
    /// Processes that ended by themselves.
    Ended,
    /// What did not come to its end in time.
    Unfinished,
}

/// All that was found, by kind: how much of it, and examples.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::chaos) struct Findings {
    all: BTreeMap<Kind, (u64, Vec<String>)>,
}

impl Findings {
    /// Takes something down.
    pub(in crate::chaos) fn note(&mut self, kind: Kind, amount: u64, told: impl FnOnce() -> String) {
        let (sum, examples) = self.all.entry(kind).or_default();
        *sum += amount;
        if examples.len() < EXAMPLES_MAX {
            examples.push(told());
        }
    }

    /// Takes down what another look at the same shows again: of all amounts, the largest is meant.
    pub(in crate::chaos) fn note_again(&mut self, kind: Kind, amount: u64, told: Vec<String>) {
        let (most, examples) = self.all.entry(kind).or_default();
        *most = amount.max(*most);
        examples.extend(told);
        examples.truncate(EXAMPLES_MAX);
    }

    /// How much of each kind.
    pub(in crate::chaos) fn summary(&self) -> String {
        let kinds = self.all.iter().map(|(kind, (sum, _))| format!("{} {sum}", kind.words()));
        kinds.collect::<Vec<_>>().join(", ")
    }

    /// Whether nothing was found.
    pub(in crate::chaos) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::CountedTwice => "counted twice",
            Self::Torn => "torn reports",
            Self::Backwards => "reports that went backwards",
            Self::Unavailable => "reports unavailable without a cause",
            Self::Untrusted => "acknowledged against a promise",
            Self::Answer => "wrong answers",
            Self::Parked => "parked wrongly",
            Self::Repeats => "repeats not dropped",
            Self::Users => "users wrong",
            Self::Rebuilt => "rebuilt differently",
            Self::Ended => "ended by itself",
            Self::Unfinished => "not finished in time",
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (sum, examples)) in &self.all {
            writeln!(formatter, "{}: {sum}", kind.words())?;
            for example in examples {
                writeln!(formatter, "  {}", example.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}
