//! All parts, from beginning to end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use launcher::process::Process;
use launcher::servers::nats::MovableClock;
use tokio::time::{Instant, sleep, timeout};

use super::clients::{browser, hostile, unreadable, without_ids};
use super::faults::{monitor, nemesis};
use super::progress;
use super::verdict::watch;
use crate::chaos::clients::sdk::{self, Tally};
use crate::chaos::faults::breaches::Breaches;
use crate::chaos::faults::network::{self, Cable};
use crate::chaos::faults::orders::OrderBook;
use crate::chaos::faults::outages::Outages;
use crate::chaos::faults::target::Target;
use crate::chaos::options::Options;
use crate::chaos::outcome::Outcome;
use crate::chaos::verdict::ending::{self, Ending};
use crate::chaos::verdict::findings::{Findings, Kind};
use crate::chaos::verdict::ledger::Account;
use crate::chaos::verdict::watch::Seen;
use testkit::stack::Stack;

/// What comes before and after the faults: starts, the last tries, draining, folding again. The bounds of these add up
/// to less; this one is for what none of them thought of.
const REST_BOUND: Duration = Duration::from_mins(15);

/// From the start of the services to the first report.
const READY_BOUND: Duration = Duration::from_mins(1);

/// A run, and everything that its parts share.
pub(in crate::chaos) struct Run {
    pub(in crate::chaos) options: Options,
    pub(in crate::chaos) seed: u64,
    pub(in crate::chaos) stack: Stack,
    /// Clock of nats-server.
    pub(in crate::chaos) clock: MovableClock,
    /// Between the log and each of its clients.
    pub(in crate::chaos) cables: BTreeMap<Target, Cable>,
    pub(in crate::chaos) begun: Instant,
    /// Until then faults are made and new events sent.
    pub(in crate::chaos) until: Instant,
    /// Everything is folded: nothing is left to be watched.
    pub(in crate::chaos) is_over: Cell<bool>,
    pub(in crate::chaos) account: RefCell<Account>,
    pub(in crate::chaos) tally: RefCell<Tally>,
    pub(in crate::chaos) outages: RefCell<Outages>,
    pub(in crate::chaos) breaches: RefCell<Breaches>,
    pub(in crate::chaos) orders: OrderBook,
    pub(in crate::chaos) seen: RefCell<Seen>,
    pub(in crate::chaos) findings: RefCell<Findings>,
}

/// Runs chaos as `options` say, and prints the seed first.
///
/// # Errors
///
/// The stack cannot be started, or the run got stuck. What is wrong with the counting is in the outcome.
pub async fn run(options: Options) -> Result<Outcome> {
    let seed = options.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let bound = options.duration() + REST_BOUND;
    let servers = Stack::servers_with_clock(options.programs().await?).await?;
    let mut run = Run::new(options, seed, servers).await?;
    let ended = timeout(bound, run.run()).await.with_context(|| format!("the run did not end within {bound:?}"));
    match ended.flatten() {
        Ok(ending) => {
            let mut outcome = Outcome::of(&run, &ending);
            outcome.folder = (!outcome.is_pass()).then(|| run.stack.keep_folder());
            Ok(outcome)
        }
        Err(err) => {
            let folder = run.stack.keep_folder();
            Err(err.context(format!("seed {seed}; logs and data are in {}", folder.display())))
        }
    }
}

impl Run {
    async fn new(options: Options, seed: u64, (stack, clock): (Stack, MovableClock)) -> Result<Self> {
        let mut cables = BTreeMap::new();
        for target in Target::OF_THE_LOG {
            cables.insert(target, Cable::to(stack.nats.port()).await?);
        }
        let now = Instant::now();
        Ok(Self {
            options,
            seed,
            stack,
            clock,
            cables,
            begun: now,
            until: now,
            is_over: Cell::new(false),
            account: RefCell::default(),
            tally: RefCell::default(),
            outages: RefCell::default(),
            breaches: RefCell::default(),
            orders: OrderBook::default(),
            seen: RefCell::default(),
            findings: RefCell::default(),
        })
    }

    /// Takes down what must not be.
    pub(in crate::chaos) fn note(&self, kind: Kind, amount: u64, told: impl FnOnce() -> String) {
        self.findings.borrow_mut().note(kind, amount, told);
    }

    /// Takes down an acknowledgement that the log's state forbids, of a request that was sent at this time.
    pub(in crate::chaos) fn check_trust(&self, sent: Instant) {
        if let Some(breach) = self.breaches.borrow().during(sent) {
            self.note(Kind::Untrusted, 1, || format!("{breach:?}: a request was acknowledged meanwhile"));
        }
    }

    async fn run(&mut self) -> Result<Ending> {
        // Faults need servers that each can be started while the others are used.
        self.stack.nats.stop().await;
        self.stack.postgres.stop().await;
        let processes = monitor::start_all(self).await?;
        self.wait_until_ready().await?;
        self.begun = Instant::now();
        self.until = self.begun + self.options.duration();
        let storm = async {
            // Large, and made once.
            let storm = Box::pin(self.storm(processes)).await;
            self.is_over.set(true);
            storm
        };
        let ((), shown, storm) = tokio::join!(watch::watch(self), progress::show(self), storm);
        shown?;
        let (processes, drained_in) = storm?;
        Ok(Ending { drained_in, ..ending::compare(self, processes).await? })
    }

    /// Faults under load, and the time until everything is folded.
    async fn storm(&self, processes: Vec<(Target, Process)>) -> Result<(Vec<(Target, Process)>, Duration)> {
        let faults = async {
            let (disturb, cut) = (monitor::disturb_all(self, processes), network::cut_all(self));
            let (processes, (), troubled) = tokio::join!(disturb, cut, nemesis::trouble(self));
            troubled?;
            processes
        };
        let load = async {
            let senders = async { tokio::join!(sdk::send(self), without_ids::send(self), browser::send(self)) };
            tokio::join!(senders, unreadable::inject(self), hostile::send(self));
            Ok(())
        };
        let (processes, ()) = tokio::try_join!(faults, load)?;
        Ok((processes, ending::drain_first(self).await?))
    }

    /// The first report needs a generation, which the projector makes.
    async fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_BOUND;
        for client in [&self.stack.query_client, &self.stack.ingest_client] {
            while !client.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
                if Instant::now() > deadline {
                    bail!("query and ingest were not ready within {READY_BOUND:?}");
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}
