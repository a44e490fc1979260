//! What reports take and how far the rebuild is, told on the way: a run takes minutes, and what makes reports slow shows in
//! when they were.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Run;
use super::outcome::percentile;

/// From one line to the next. 1,000 reports are asked for meanwhile: the slowest ten of them are beyond their p99.
const PAUSE: Duration = Duration::from_secs(10);

/// Prints a line from time to time until the run is over.
pub(super) async fn tell(run: &Run) {
    let begun = Instant::now();
    while !run.is_over.get() {
        sleep(PAUSE).await;
        let mut times = run.recent.take();
        times.sort_by(f64::total_cmp);
        let [p50, p99, largest] = [0.5, 0.99, 1.0].map(|share| percentile(&times, share));
        let seconds = begun.elapsed().as_secs();
        let built = match run.built().await {
            Ok((built, active)) if active > 0 => format!("{} %", built * 100 / active),
            _ => "?".to_owned(),
        };
        println!("{seconds:>5} s  {built:>5} built  reports p50 {p50:>5.1}, p99 {p99:>6.1}, largest {largest:>6.1} ms");
    }
}
