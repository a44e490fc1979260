//! Reports, asked for at a steady rate. A report's time is measured from when it was to be asked for, so that one that
//! hangs is not one slow report but all that were due meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep_until};

use super::{Run, SHAPE};
use testkit::inputs::history::Shape;

/// Readers at once.
const READERS: u32 = 4;

/// Between two reports of one reader.
const PAUSE: Duration = Duration::from_millis(40);

/// What was going on when a report was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Live traffic has just begun.
    WarmUp,
    /// Live traffic alone.
    Usual,
    /// A rebuild beside it.
    Rebuilding,
    /// The new generation has just become active.
    Settling,
    /// The rebuild is over, and live traffic is alone again.
    After,
}

/// What all readers have seen.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// Milliseconds, by phase.
    pub(super) times_ms: BTreeMap<Phase, Vec<f64>>,
    /// Answers other than 200.
    pub(super) refused: u64,
    /// Reports with fewer views than an earlier one.
    pub(super) backwards: u64,
    /// Reports of a generation after reports of a newer one.
    pub(super) mixed: u64,
}

/// Reads until the run is over.
pub(super) async fn read(run: &Run) -> Readings {
    let all = future::join_all((0..READERS).map(|number| read_as(run, number))).await;
    let mut sum = Readings::default();
    for mut one in all {
        for (phase, mut times) in std::mem::take(&mut one.times_ms) {
            sum.times_ms.entry(phase).or_default().append(&mut times);
        }
        sum.refused += one.refused;
        sum.backwards += one.backwards;
        sum.mixed += one.mixed;
    }
    sum.times_ms.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
    sum
}

async fn read_as(run: &Run, number: u32) -> Readings {
    let mut readings = Readings::default();
    let mut random = StdRng::seed_from_u64(u64::from(number) + 100);
    let mut highs = BTreeMap::<String, u64>::new();
    let mut newest = 0;
    let mut due = Instant::now() + PAUSE * number / READERS;
    while !run.is_over.get() {
        sleep_until(due).await;
        let path = path(&mut random);
        let phase = run.phase.get();
        let answer = run.stack.query_client.get(&path).await;
        let took_ms = due.elapsed().as_secs_f64() * 1_000.0;
        readings.times_ms.entry(phase).or_default().push(took_ms);
        run.recent.borrow_mut().push(took_ms);
        due += PAUSE;
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else {
            readings.refused += 1;
            continue;
        };
        let report = answer.json();
        let total = report["total_views"].as_u64().unwrap_or_default();
        let high = highs.entry(path).or_default();
        readings.backwards += u64::from(total < *high);
        *high = total.max(*high);
        let generation = report["meta"]["generation"].as_i64().unwrap_or_default();
        readings.mixed += u64::from(generation < newest);
        newest = generation.max(newest);
    }
    readings
}

/// A day's report, or one over all time.
fn path(random: &mut StdRng) -> String {
    let site = SHAPE.site(random.random_range(0..SHAPE.sites));
    let day = Shape::day(random.random_range(0..SHAPE.days));
    let date = if random.random_bool(0.5) { format!("&date={day}") } else { String::new() };
    format!("/stats?site_id={site}&meta=true{date}")
}
