//! Tells the person at the terminal what takes so long.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Quiet until a person is known to look on: tests have nobody to tell.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// How often a line on a terminal is drawn anew; elsewhere a line is written every tenth time.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);

/// Shorter steps than this are not worth a line.
const SILENCE: Duration = Duration::from_millis(300);

/// From now on, there is somebody to tell.
pub(crate) fn tell() {
    IS_TOLD.store(true, Ordering::Relaxed);
}

/// Runs a step, and tells its name and the time it takes while it does.
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

/// Says one thing.
pub(crate) fn say(text: &str) {
    Line::new().end(text);
}

/// A line that changes in place on a terminal, and is written now and then elsewhere.
pub(crate) struct Line {
    is_terminal: bool,
    shown: u32,
}

impl Line {
    /// Shows nothing yet.
    pub(crate) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), shown: 0 }
    }

    /// Replaces the text.
    pub(crate) fn show(&mut self, text: &str) {
        if !IS_TOLD.load(Ordering::Relaxed) {
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
        if self.is_terminal && IS_TOLD.load(Ordering::Relaxed) {
            let _ = writeln!(stderr());
        }
    }
}
