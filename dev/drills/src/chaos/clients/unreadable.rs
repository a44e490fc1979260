//! Messages that cannot be read, published by hand: alone, among events that count, and under an unknown schema.

use std::time::Duration;

use anyhow::Result;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use contract::Partition;
use contract::subjects::SCHEMA_HEADER;
use rand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::chaos::clients::sdk::TRIES_END;
use crate::chaos::clients::visit::{Visit, Visits};
use crate::chaos::faults::target::PARTITIONS;
use crate::chaos::random;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;

/// Between two messages, in milliseconds.
const PAUSE_MS: (u64, u64) = (200, 1_500);

/// One try: connecting, publishing, the PubAck.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Schemas that no fold reads. Postgres stores no text with the NUL of the second one.
const UNKNOWN_SCHEMAS: [&str; 2] = ["event.v99", "event\0v1"];

/// A message with one part that cannot be read.
struct Poison {
    /// Names the message: the log drops a second try of one that it has.
    name: String,
    partition: Partition,
    schema: Option<&'static str>,
    body: Vec<u8>,
    /// The part that is to be parked.
    parked: Vec<u8>,
    /// Events beside it, which count.
    visits: Vec<Visit>,
}

/// Publishes until the run's time is over.
pub(in crate::chaos) async fn inject(run: &Run) {
    let mut visits = Visits::of(run.seed, "unreadable".to_owned());
    let mut number = 0_u64;
    while Instant::now() < run.until {
        let poison = Poison::next(&mut visits, number);
        number += 1;
        if publish(run, &poison).await {
            let mut account = run.account.borrow_mut();
            account.poison.insert(poison.parked);
            for visit in &poison.visits {
                account.add(visit);
            }
        } else {
            run.note(Kind::Unfinished, 1, || format!("{} was not acknowledged", poison.name));
        }
        let pause = random::between(visits.random(), PAUSE_MS.0, PAUSE_MS.1);
        sleep(pause).await;
    }
}

/// Whether the log has it.
async fn publish(run: &Run, poison: &Poison) -> bool {
    let give_up = run.until + TRIES_END;
    while Instant::now() < give_up {
        if let Ok(Ok(())) = timeout(TRY_TIMEOUT, try_publish(run, poison)).await {
            return true;
        }
        sleep(RETRY_PAUSE).await;
    }
    false
}

async fn try_publish(run: &Run, poison: &Poison) -> Result<()> {
    let log = run.stack.log().await?;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, poison.name.as_str());
    if let Some(schema) = poison.schema {
        headers.insert(SCHEMA_HEADER, schema);
    }
    let subject = poison.partition.subject();
    log.publish_with_headers(subject, headers, poison.body.clone().into()).await?.await?;
    Ok(())
}

impl Poison {
    fn next(visits: &mut Visits, number: u64) -> Self {
        let name = format!("poison-{number}");
        let partitions: Vec<Partition> = Partition::all(PARTITIONS).collect();
        let partition = *random::one_of(visits.random(), &partitions);
        let schema = Some(*random::one_of(visits.random(), &UNKNOWN_SCHEMAS));
        let alone = |schema: Option<&'static str>, body: Vec<u8>| Self {
            name: name.clone(),
            partition,
            schema,
            parked: body.clone(),
            body,
            visits: Vec::new(),
        };
        match visits.random().random_range(0..5) {
            0 => alone(None, format!("unreadable: {name}").into_bytes()),
            1 => alone(None, [b"\xff\xfe\x00".as_slice(), name.as_bytes()].concat()),
            // It would be an event, were its schema known.
            2 => alone(schema, format!("{} {name}", visits.next_in(partition).json).into_bytes()),
            _ => {
                let parked = format!("{{\"site_id\":7,\"poison\":\"{name}\"}}");
                let visits = [visits.next_in(partition), visits.next_in(partition)];
                let body = [visits[0].json.as_str(), &parked, &visits[1].json].join("\n").into_bytes();
                Self { name, partition, schema: None, body, parked: parked.into_bytes(), visits: visits.into() }
            }
        }
    }
}
