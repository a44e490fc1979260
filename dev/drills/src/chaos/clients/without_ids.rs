//! Events without an id, from clients that send them once: nothing but the envelope's own id keeps a second try of
//! ingest's from being counted twice.
//!
//! An event without an answer may count or not, and the log may hold one twice whose answer took long. After both the
//! next ones get another path: so no path has more than one event in doubt, and none beside an event that may be there
//! twice.

use std::time::Duration;

use futures_util::future;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::chaos::clients::visit::{DAYS, EVENT_TYPES, Place, sites_named};
use crate::chaos::random;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;

/// Longer than ingest takes to say that it is not certain: its second tries are to be seen.
const PATIENCE: Duration = Duration::from_secs(8);

/// Between two events of one client, in milliseconds.
const PAUSE_MS: (u64, u64) = (2, 40);

/// Ingest has no reason for a second try where it answers faster.
const SLOW: Duration = Duration::from_millis(500);

/// After an event without an answer, so that a client without a server does not make a path for every try.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);

/// Sends until the run's time is over: one client a partition.
pub(in crate::chaos) async fn send(run: &Run) {
    future::join_all(sites_named("plain", 1).into_iter().map(|site_id| send_about(run, site_id))).await;
}

async fn send_about(run: &Run, site_id: String) {
    let client = run.stack.ingest_client.patient_for(PATIENCE);
    let mut random = random::sequence(run.seed, &site_id);
    let mut stretch = 0;
    while Instant::now() < run.until {
        let path = format!("/stretch-{stretch}");
        let place = Place { site_id: site_id.clone(), event_type: EVENT_TYPES[0], day: DAYS[0], path };
        let event = json!({"site_id": place.site_id, "event_type": place.event_type, "path": place.path,
            "timestamp": format!("{}T12:00:00Z", place.day)});
        let begun = Instant::now();
        let is_acknowledged = match client.post("/event", event.to_string()).await {
            Ok(answer) if answer.status == 200 => true,
            Ok(answer) if answer.status != 503 => {
                run.note(Kind::Answer, 1, || format!("ingest answered {}: {}", answer.status, answer.text));
                false
            }
            _ => false,
        };
        run.account.borrow_mut().add_plain(place, is_acknowledged);
        if !is_acknowledged || begun.elapsed() > SLOW {
            stretch += 1;
        }
        let pause = random::between(&mut random, PAUSE_MS.0, PAUSE_MS.1);
        sleep(if is_acknowledged { pause } else { FAILURE_PAUSE }).await;
    }
}
