//! Faults that chance alone would not bring about: each strikes the log, or the connection to it, at the worst moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use contract::Partition;
use launcher::workspace::Workspace;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::chaos::clients::sdk::TRIES_END;
use crate::chaos::faults::breaches::Breach;
use crate::chaos::faults::network::Trap;
use crate::chaos::faults::orders::Unsynced;
use crate::chaos::faults::target::{PARTITIONS, Target};
use crate::chaos::random;
use crate::chaos::run::Run;

/// The moment that a nemesis waits for comes within this time, or the nemesis leaves it.
const MOMENT_BOUND: Duration = Duration::from_secs(10);

/// How long the log's server stays away when a nemesis has it killed, in milliseconds.
const DOWN_MS: (u64, u64) = (50, 500);

/// How long a server runs without syncing, in milliseconds.
const UNSYNCED_MS: (u64, u64) = (1_500, 8_000);

/// How long a clock is wrong and a stream edited, in milliseconds: in the longest, ingest has to have noticed.
const BREACH_MS: (u64, u64) = (2_000, 30_000);

/// Seconds by which the clock of the log's server is moved: minutes, hours, and more than a year.
const JUMPS_S: [i64; 6] = [-7_200, -900, 900, 7_200, 35_000_000, -35_000_000];

/// One try at editing a stream.
const EDIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// What a nemesis does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nemesis {
    /// Kills the log's server, and breaks a projector's connection at the first delivery of its new consumers.
    FirstDelivery,
    /// Loses a PubAck, and kills the log's server before ingest sends the envelope again.
    LostPubAck,
    /// Has the log's server restarted so that it acknowledges before it syncs.
    Unsynced,
    /// Moves the clock of the log's server.
    Clock,
    /// Edits a stream so that it would discard old envelopes.
    Discarding,
    /// Edits a stream so that it takes no ordinary envelope.
    SmallMessages,
}

const ALL: [Nemesis; 6] = [
    Nemesis::FirstDelivery,
    Nemesis::LostPubAck,
    Nemesis::Unsynced,
    Nemesis::Clock,
    Nemesis::Discarding,
    Nemesis::SmallMessages,
];

/// Lets one nemesis after the other strike until the run's time is over. All of them have struck before one does again.
///
/// # Errors
///
/// A file of the run cannot be written, or the last edit of a stream cannot be taken back.
pub(in crate::chaos) async fn trouble(run: &Run) -> Result<()> {
    let mut random = random::sequence(run.seed, "nemesis");
    let unsynced_conf = unsynced_conf(run)?;
    let calm_ms_max = u64::from(run.options.calm_seconds) * 1_000;
    loop {
        let mut deck = ALL;
        deck.shuffle(&mut random);
        for nemesis in deck {
            let calm = random::between(&mut random, calm_ms_max / 12, calm_ms_max / 3);
            sleep_until(run.until.min(Instant::now() + calm)).await;
            if Instant::now() >= run.until {
                return Ok(());
            }
            strike(run, nemesis, &unsynced_conf, &mut random).await.with_context(|| format!("{nemesis:?}"))?;
            run.tally.borrow_mut().nemeses += 1;
        }
    }
}

async fn strike(run: &Run, nemesis: Nemesis, unsynced_conf: &Path, random: &mut StdRng) -> Result<()> {
    let down = random::between(random, DOWN_MS.0, DOWN_MS.1);
    match nemesis {
        Nemesis::FirstDelivery => {
            let projector = *random::one_of(random, &[Target::ProjectorA, Target::ProjectorB]);
            let trapped = timeout(MOMENT_BOUND, run.cables[&projector].trap(Trap::Delivery));
            // Either the trap was sprung, or nothing was delivered to this projector: both are fine.
            let (_, ()) = tokio::join!(trapped, run.orders.give(down, None));
        }
        Nemesis::LostPubAck => {
            let ingest = &run.cables[&Target::Ingest];
            if timeout(MOMENT_BOUND, ingest.trap(Trap::PubAck)).await.is_ok() {
                run.orders.give(down, None).await;
                ingest.cut(Duration::ZERO);
            }
        }
        Nemesis::Unsynced => {
            let span = random::between(random, UNSYNCED_MS.0, UNSYNCED_MS.1);
            run.orders.give(down, Some(Unsynced { conf: unsynced_conf.to_owned(), span })).await;
        }
        Nemesis::Clock => {
            run.clock.set(*random::one_of(random, &JUMPS_S))?;
            last(run, Breach::Clock, random).await;
            run.clock.set(0)?;
        }
        Nemesis::Discarding => {
            let edited = |config| Config { discard: DiscardPolicy::Old, ..config };
            edit(run, edited, Breach::Discarding, random).await?;
        }
        Nemesis::SmallMessages => {
            let edited = |config| Config { max_message_size: 300, ..config };
            edit(run, edited, Breach::SmallMessages, random).await?;
        }
    }
    Ok(())
}

/// Leaves the log as it is for a while, and takes down which promise it breaks.
async fn last(run: &Run, breach: Breach, random: &mut StdRng) {
    let longest = (u64::from(run.options.calm_seconds) * 2_000).clamp(BREACH_MS.0, BREACH_MS.1);
    let end = Instant::now() + random::between(random, BREACH_MS.0, longest);
    run.breaches.borrow_mut().begin(breach);
    sleep_until(end.min(run.until)).await;
    run.breaches.borrow_mut().end();
}

/// Edits the stream of one partition, and takes the edit back.
async fn edit(run: &Run, edited: impl FnOnce(Config) -> Config, breach: Breach, random: &mut StdRng) -> Result<()> {
    let partitions: Vec<Partition> = Partition::all(PARTITIONS).collect();
    let partition = *random::one_of(random, &partitions);
    let Ok(Ok(declared)) = timeout(EDIT_TIMEOUT, config(run, partition)).await else { return Ok(()) };
    // Not certain is as good as edited: it is taken back either way.
    let is_edited = matches!(timeout(EDIT_TIMEOUT, update(run, edited(declared.clone()))).await, Ok(Ok(())));
    if is_edited {
        last(run, breach, random).await;
    }
    let deadline = run.until.max(Instant::now()) + TRIES_END;
    while !matches!(timeout_at(deadline, timeout(EDIT_TIMEOUT, update(run, declared.clone()))).await?, Ok(Ok(()))) {
        sleep(RETRY_PAUSE).await;
    }
    Ok(())
}

async fn config(run: &Run, partition: Partition) -> Result<Config> {
    let stream = run.stack.log().await?.get_stream(partition.stream()).await?;
    Ok(stream.cached_info().config.clone())
}

async fn update(run: &Run, config: Config) -> Result<()> {
    run.stack.log().await?.update_stream(config).await?;
    Ok(())
}

/// The configuration of the log's server, but for the line that makes it sync before it acknowledges.
fn unsynced_conf(run: &Run) -> Result<PathBuf> {
    let declared = fs::read_to_string(Workspace::find()?.root().join("nats/server.conf"))?;
    let conf = run.stack.folder().join("unsynced.conf");
    fs::write(&conf, declared.replace("sync_interval: always", "sync_interval: \"2m\""))
        .with_context(|| format!("writing {}", conf.display()))?;
    Ok(conf)
}
