//! Clients that post at a steady rate, and send again with the same id until they have a 200.

use std::time::Duration;

use futures_util::future;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Run, SHAPE};

/// Clients at once.
const CLIENTS: u32 = 16;

/// Between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What they have posted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Live {
    pub(super) acknowledged: u64,
    pub(super) retries: u64,
}

/// Posts until the run is over.
pub(super) async fn post(run: &Run) -> Live {
    let all = future::join_all((0..CLIENTS).map(|number| post_as(run, number))).await;
    all.into_iter().fold(Live::default(), |sum, one| Live {
        acknowledged: sum.acknowledged + one.acknowledged,
        retries: sum.retries + one.retries,
    })
}

async fn post_as(run: &Run, number: u32) -> Live {
    let mut visits = SHAPE.visits(u64::from(number) + 2).live();
    let pause = Duration::from_secs(1) * CLIENTS / run.options.live;
    let mut live = Live::default();
    let mut next = Instant::now() + pause * number / CLIENTS;
    while !run.is_over.get() {
        sleep_until(next).await;
        // What was missed while the service was busy is not caught up with: the rate is a maximum.
        next = (next + pause).max(Instant::now() - pause);
        let event = visits.event();
        let id = format!(r#"{{"event_id":"live-{number}-{}","#, live.acknowledged);
        let event = event.replacen('{', &id, 1);
        while !matches!(run.stack.ingest_client.post("/event", event.clone()).await, Ok(answer) if answer.status == 200)
        {
            live.retries += 1;
            sleep(RETRY_PAUSE).await;
        }
        live.acknowledged += 1;
    }
    live
}
