//! A site whose events have as many paths, types, days, users and hosts of referrers as there are events: it must count to
//! the event, and others must not suffer.

use std::time::Duration;

use rand::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::chaos::clients::sdk::TRIES_END;
use crate::chaos::random;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;

/// The site.
pub(in crate::chaos) const SITE: &str = "hostile.example";

/// Events of one request.
const EVENTS: u64 = 50;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two tries of one request, in milliseconds.
const RETRY_MS: (u64, u64) = (100, 500);

/// Bytes of a path.
const PATH_BYTES: usize = 1_500;

/// Sends until the run's time is over, and then until the last request is acknowledged.
pub(in crate::chaos) async fn send(run: &Run) {
    let client = run.stack.ingest_client.patient_for(Duration::from_secs(8));
    let mut random = random::sequence(run.seed, SITE);
    let mut made = 0;
    while Instant::now() < run.until {
        let lines: Vec<String> = (made..made + EVENTS).map(|number| event(number, &mut random)).collect();
        made += EVENTS;
        let (body, give_up) = (lines.join("\n"), run.until + TRIES_END);
        let is_acknowledged = loop {
            match client.post("/events", body.clone()).await {
                Ok(answer) if answer.status == 200 => break true,
                Ok(answer) if answer.status != 503 => {
                    run.note(Kind::Answer, 1, || format!("ingest answered {}: {}", answer.status, answer.text));
                    break false;
                }
                _ if Instant::now() > give_up => break false,
                _ => sleep(random::between(&mut random, RETRY_MS.0, RETRY_MS.1)).await,
            }
        };
        if is_acknowledged {
            run.account.borrow_mut().hostile += EVENTS;
        } else {
            run.note(Kind::Unfinished, EVENTS, || format!("events of {SITE} were not acknowledged"));
        }
        sleep(PAUSE).await;
    }
}

fn event(number: u64, random: &mut impl Rng) -> String {
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    let path = format!("/{number}-{}", "x".repeat(PATH_BYTES));
    json!({"event_id": format!("hostile-{number}"), "site_id": SITE, "event_type": format!("type-{number}"), "path": path,
        "timestamp": format!("2025-{month:02}-{day:02}T12:00:00Z"), "user_id": format!("user-{number}"),
        "referrer": format!("https://host-{number}.example/")})
    .to_string()
}
