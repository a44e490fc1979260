//! Progress of long steps, on the terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether progress is shown; tests show none.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// Interval at which a line on a terminal is redrawn; elsewhere every tenth update is written.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);

/// Time after which a step is shown.
const SILENCE: Duration = Duration::from_millis(300);

/// Shows progress from now on.
pub(crate) fn show() {
    IS_SHOWN.store(true, Ordering::Relaxed);
}

/// Runs a step, and shows its name and duration.
pub(crate) async fn step<T>(name: &str, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let mut work = std::pin::pin!(work);
    if let Ok(outcome) = tokio::time::timeout(SILENCE, &mut work).await {
        return outcome;
    }
    let mut line = Line::new();
    line.show(name);
    let mut ticks = tokio::time::interval(REDRAW_INTERVAL);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => {
                line.end(&format!("{name} ({:.1} s)", started.elapsed().as_secs_f64()));
                return outcome;
            }
            _ = ticks.tick() => line.show(&format!("{name} … {} s", started.elapsed().as_secs())),
        }
    }
}

/// Shows a message.
pub(crate) fn say(text: &str) {
    Line::new().end(text);
}

/// A line that is redrawn on a terminal, and written from time to time elsewhere.
pub(crate) struct Line {
    is_terminal: bool,
    shown: u32,
}

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), shown: 0 }
    }

    /// Replaces the text.
    pub(crate) fn show(&mut self, text: &str) {
        if !IS_SHOWN.load(Ordering::Relaxed) {
            return;
        }
        // A closed terminal is no reason to stop working.
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[2K  {text}");
            let _ = stderr().flush();
        } else if self.shown.is_multiple_of(10) {
            let _ = writeln!(stderr(), "  {text}");
        }
        self.shown += 1;
    }

    /// Replaces the text for good.
    pub(crate) fn end(&mut self, text: &str) {
        self.shown = 0;
        self.show(text);
        if self.is_terminal && IS_SHOWN.load(Ordering::Relaxed) {
            let _ = writeln!(stderr());
        }
    }
}
