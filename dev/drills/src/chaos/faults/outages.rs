//! When which process was down: killed or frozen, until it served again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::chaos::faults::plan::Fault;
use crate::chaos::faults::target::Target;

/// All outages of a run.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Outages {
    all: Vec<Outage>,
}

/// How often something was done to the processes of one kind.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::chaos) struct Strikes {
    pub(in crate::chaos) kills: u64,
    pub(in crate::chaos) freezes: u64,
}

#[derive(Debug)]
struct Outage {
    target: Target,
    fault: Fault,
    from: Instant,
    /// `None` while it lasts.
    to: Option<Instant>,
}

impl Outages {
    /// Takes down that one begins.
    pub(in crate::chaos) fn begin(&mut self, target: Target, fault: Fault) {
        self.all.push(Outage { target, fault, from: Instant::now(), to: None });
    }

    /// Takes down that the process serves again.
    pub(in crate::chaos) fn end(&mut self, target: Target) {
        let open = self.all.iter_mut().rev().find(|outage| outage.target == target);
        open.expect("an outage that ends has begun").to = Some(Instant::now());
    }

    /// For how long all of `targets` had been up before `from`: zero if one was down in the time up to `to`, `None` if
    /// none was ever down.
    pub(in crate::chaos) fn up_before(&self, targets: &[Target], (from, to): (Instant, Instant)) -> Option<Duration> {
        let of_targets = self.all.iter().filter(|outage| targets.contains(&outage.target) && outage.from <= to);
        of_targets.map(|outage| outage.to.map_or(Duration::ZERO, |end| from.saturating_duration_since(end))).min()
    }

    /// Whether a process was killed in this time, or not yet back in it.
    pub(in crate::chaos) fn was_killed(&self, target: Target, (from, to): (Instant, Instant)) -> bool {
        self.all.iter().any(|outage| {
            let is_kill = outage.target == target && matches!(outage.fault, Fault::Kill(_));
            is_kill && outage.from <= to && outage.to.is_none_or(|end| end >= from)
        })
    }

    /// Kills and freezes, by kind of process.
    pub(in crate::chaos) fn strikes(&self) -> BTreeMap<&'static str, Strikes> {
        let mut strikes: BTreeMap<_, Strikes> =
            Target::ALL.map(|target| (target.kind(), Strikes::default())).into_iter().collect();
        for outage in &self.all {
            let of_kind = strikes.entry(outage.target.kind()).or_default();
            match outage.fault {
                Fault::Kill(_) => of_kind.kills += 1,
                Fault::Freeze(_) => of_kind.freezes += 1,
            }
        }
        strikes
    }
}
