//! The figures, and PASS or what is wrong.

use std::fmt;

use super::live::Live;
use super::readers::{Phase, Readings};
use super::{Options, Times};

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub(super) options: Options,
    pub(super) times: Times,
    pub(super) acknowledged: u64,
    pub(super) counted: u64,
    pub(super) live: Live,
    pub(super) readings: Readings,
    pub(super) generations: Vec<(i32, String)>,
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_pass(&self) -> bool {
        self.faults().is_empty()
    }

    fn faults(&self) -> Vec<String> {
        let Readings { refused, backwards, mixed, .. } = self.readings;
        let mut faults = Vec::new();
        let mut note = |is_wrong: bool, told: String| {
            if is_wrong {
                faults.push(told);
            }
        };
        note(
            self.acknowledged != self.counted,
            format!("{} acknowledged, {} counted", self.acknowledged, self.counted),
        );
        note(refused > 0, format!("{refused} reports refused"));
        note(backwards > 0, format!("{backwards} reports went backwards"));
        note(mixed > 0, format!("{mixed} reports of an older generation after a newer one"));
        note(self.generations.len() != 2, format!("generations {:?}", self.generations));
        let slowdown = self.slowdown();
        let max = self.options.slowdown_max;
        note(slowdown > max, format!("reports took {slowdown:.2} times as long while it was rebuilt, {max} allowed"));
        faults
    }

    /// p99 while it was rebuilt, to p99 of all reports before and after.
    fn slowdown(&self) -> f64 {
        let phases = [Phase::Usual, Phase::After].iter().filter_map(|phase| self.readings.times_ms.get(phase));
        let mut usual: Vec<f64> = phases.flatten().copied().collect();
        usual.sort_by(f64::total_cmp);
        self.percentile(Phase::Rebuilding, 0.99) / percentile(&usual, 0.99)
    }

    fn percentile(&self, phase: Phase, share: f64) -> f64 {
        percentile(self.readings.times_ms.get(&phase).map(Vec::as_slice).unwrap_or_default(), share)
    }
}

/// A percentile of sorted times; NaN if there are none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
pub(super) fn percentile(times: &[f64], share: f64) -> f64 {
    let rank = (times.len() as f64 * share) as usize;
    times.get(rank.min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Outcome {
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { first_fold, rebuild } = self.times;
        let events = self.options.events as f64;
        writeln!(
            f,
            "\nfirst fold     {:>8.1} s, {:.0} events/s",
            first_fold.as_secs_f64(),
            events / first_fold.as_secs_f64()
        )?;
        writeln!(f, "rebuild        {:>8.1} s, {:.0} events/s", rebuild.as_secs_f64(), events / rebuild.as_secs_f64())?;
        writeln!(f, "live           {:>8} events, {} tries again", self.live.acknowledged, self.live.retries)?;
        writeln!(f, "reports, ms    {:>8} {:>8} {:>8} {:>8}", "number", "p50", "p99", "largest")?;
        for (phase, name) in [(Phase::Usual, "before"), (Phase::Rebuilding, "rebuilding"), (Phase::After, "after")] {
            let number = self.readings.times_ms.get(&phase).map_or(0, Vec::len);
            let [p50, p99, largest] = [0.5, 0.99, 1.0].map(|share| self.percentile(phase, share));
            writeln!(f, "  {name:<12} {number:>8} {p50:>8.1} {p99:>8.1} {largest:>8.1}")?;
        }
        writeln!(f, "p99 while rebuilding, to the one before and after: {:.2}", self.slowdown())?;
        writeln!(f, "{} acknowledged, {} counted", self.acknowledged, self.counted)?;
        let faults = self.faults();
        if faults.is_empty() { writeln!(f, "\nPASS") } else { writeln!(f, "\nFAIL\n{}", faults.join("\n")) }
    }
}
