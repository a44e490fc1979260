//! How far something has come: a bar on a terminal, a line now and then elsewhere. Both on standard error, so that what
//! a command answers can be piped on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// Between two lines where there is no terminal.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// What is done, step by step.
pub(crate) struct CommandProgress {
    bar: ProgressBar,
    name: &'static str,
    unit: &'static str,
    told_at: Instant,
}

impl CommandProgress {
    /// Nothing done yet of so many steps.
    pub(crate) fn of(name: &'static str, steps: u64, unit: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let template = "{prefix} {wide_bar} {pos}/{len} {msg}, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_prefix(name);
        bar.set_message(unit);
        Self { bar, name, unit, told_at: Instant::now() }
    }

    /// So many steps are done, of so many.
    pub(crate) fn set(&mut self, done: u64, steps: u64) {
        self.bar.set_length(steps.max(done));
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.told_at.elapsed() >= LINE_PAUSE {
            self.told_at = Instant::now();
            let (rate, left) = (self.bar.per_sec(), self.bar.eta().as_secs());
            let unit = self.unit;
            eprintln!("{}: {done} of {steps} {unit}, {rate:.0} a second, {left} s left", self.name);
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
