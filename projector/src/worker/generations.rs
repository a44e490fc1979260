//! All generations that this projector builds, each with its partitions. Those that appear are noticed, those that
//! reports come from no longer are let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use contract::Partition;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::assignment;
use super::context::Context;
use super::partitions::Partitions;
use crate::metrics;
use crate::read_models::generation::{self, Generation, GenerationId, Status};
use event_log::streams::StreamEnd;

/// Between two looks at which generations there are.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The generations that are followed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generations {
    followed: Arc<Mutex<BTreeMap<GenerationId, Followed>>>,
}

#[derive(Debug)]
struct Followed {
    status: Status,
    partitions: Partitions,
    stop: CancellationToken,
}

impl Generations {
    /// Follows all that this projector can build, until `shutdown`.
    ///
    /// # Errors
    ///
    /// A task ended in a way that it must not.
    pub(crate) async fn follow(self, context: Context, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        loop {
            match generation::list(&context.pool).await {
                Ok(generations) if generation::active(&generations).is_none() => context.begin_anew().await,
                Ok(generations) => self.start_following(&context, &generations, &mut tasks, &shutdown),
                Err(err) => tracing::debug!(error = %err, "Cannot list the generations"),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next() => self.stop_following(ended.context("a generation's task")?)?,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
        while let Some(ended) = tasks.join_next().await {
            self.stop_following(ended.context("a generation's task")?)?;
        }
        Ok(())
    }

    /// Notes the end of the log.
    pub(crate) fn seen(&self, ends: &[StreamEnd], now: Instant) {
        self.lock().values().for_each(|followed| followed.partitions.seen(ends, now));
    }

    /// The active one, with its partitions that are followed here. None, if another projector follows it; and none while a partition
    /// of any generation is more than so many envelopes behind the log: that wants all there is of the machine.
    pub(crate) fn keeping_up(&self, envelopes_max: u64) -> Option<(GenerationId, Vec<Partition>)> {
        let followed = self.lock();
        let (id, active) = followed.iter().find(|(_, followed)| followed.status == Status::Active)?;
        let all_keep_up = followed.values().all(|followed| followed.partitions.keep_up(envelopes_max));
        all_keep_up.then(|| (*id, active.partitions.followed()))
    }

    /// Shows how all of them are.
    #[expect(clippy::disallowed_methods, reason = "how old the log's end is; nothing that is folded depends on it")]
    pub(crate) fn sample(&self) {
        let (now, time) = (Instant::now(), Utc::now());
        for (&id, followed) in self.lock().iter() {
            metrics::generation(id.0, followed.status == Status::Active);
            followed.partitions.sample(now, time);
        }
    }

    /// Whether the work can be done and is, or what is in its way: of the active generation, or where another
    /// projector follows that, of those that are built. `stall_max` is how long nothing may be committed where there is something to fold.
    pub(crate) fn readiness(&self, stall_max: Duration) -> Result<(), String> {
        let followed = self.lock();
        let active = followed.values().find(|followed| followed.status == Status::Active);
        match active {
            Some(active) => active.partitions.readiness(stall_max),
            None if followed.is_empty() => Err("there is no generation that this projector can build".to_owned()),
            None => followed.values().try_for_each(|followed| followed.partitions.readiness(stall_max)),
        }
    }

    fn start_following(
        &self,
        context: &Context,
        generations: &[Generation],
        tasks: &mut JoinSet<(GenerationId, anyhow::Result<()>)>,
        shutdown: &CancellationToken,
    ) {
        let mut followed = self.lock();
        let is_ours = |generation: &&Generation| {
            generation.status.is_followed() && context.supported.include(&generation.identity)
        };
        let ours: BTreeMap<_, _> = generations.iter().filter(is_ours).map(|ours| (ours.id, ours)).collect();
        for (id, known) in followed.iter_mut() {
            match ours.get(id) {
                Some(generation) => known.status = generation.status,
                None => known.stop.cancel(),
            }
        }
        for (id, generation) in ours {
            if followed.contains_key(&id) {
                continue;
            }
            let (partitions, stop) = (Partitions::of(id), shutdown.child_token());
            let follow =
                assignment::follow(partitions.clone(), context.clone(), context.fold(generation), stop.clone());
            tasks.spawn(async move { (id, follow.await) });
            let (identity, status) = (generation.identity, generation.status);
            tracing::info!(generation.id = id.0, %identity, status = status.name(), "Following generation");
            followed.insert(id, Followed { status, partitions, stop });
        }
    }

    fn stop_following(&self, (id, ended): (GenerationId, anyhow::Result<()>)) -> anyhow::Result<()> {
        ended.with_context(|| format!("following generation {id}"))?;
        let known = self.lock().remove(&id);
        anyhow::ensure!(
            known.is_some_and(|known| known.stop.is_cancelled()),
            "the task of generation {id} ended without a reason"
        );
        tracing::info!(generation.id = id.0, "No longer following generation");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GenerationId, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::partitions::tests::{partition, taken};

    #[test]
    fn the_active_generation_keeps_up_if_none_is_far_behind() {
        let generations = Generations::default();
        assert_eq!(generations.keeping_up(10), None);
        let follow = |number: i32, status: Status, left: u64| {
            let partitions = Partitions::of(GenerationId(number));
            taken(&partitions, 3, left);
            let followed = Followed { status, partitions, stop: CancellationToken::new() };
            generations.lock().insert(GenerationId(number), followed);
        };
        follow(1, Status::Ready, 0);
        assert_eq!(generations.keeping_up(10), None);
        follow(2, Status::Active, 10);
        assert_eq!(generations.keeping_up(10), Some((GenerationId(2), vec![partition(3)])));
        follow(3, Status::Building, 11);
        assert_eq!(generations.keeping_up(10), None);
        follow(3, Status::Building, 10);
        assert_eq!(generations.keeping_up(10), Some((GenerationId(2), vec![partition(3)])));
        follow(2, Status::Active, 11);
        assert_eq!(generations.keeping_up(10), None);
    }
}
