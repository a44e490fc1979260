use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use testkit::clients::http::Client;
use testkit::failure::TestResult;
use testkit::observe::kernel::Connections;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::history::{SOON, event};
use crate::observe::otlp_collector::{Collector, Span};

/// The trace of a number, and a header that says that this is a part of its span 1.
fn trace(number: u32) -> String {
    format!("{number:032x}")
}

fn traceparent(number: u32, sampled: bool) -> String {
    format!("00-{}-{:016x}-0{}", trace(number), 1, u8::from(sampled))
}

async fn post(client: &Client, traceparent: &str) -> Result<u16> {
    Ok(client.post_with("/event", ("traceparent", traceparent), event("traced")).await?.status)
}

/// The header of the last envelope, and where it lies.
async fn last_header(stack: &Stack, partition: i32) -> Result<Option<String>> {
    let stream = stack.log().await?.get_stream(format!("EVENTS_{partition}")).await?;
    let message = stream.get_raw_message(stream.cached_info().state.last_sequence).await?;
    Ok(message.headers.get("traceparent").map(|header| header.as_str().to_owned()))
}

async fn span_of(collector: &Collector, name: &str, trace: &str) -> Span {
    wait::until(&format!("{name} in {trace}"), SOON, async || {
        collector.spans().into_iter().find(|span| span.trace == trace && span.name.starts_with(name))
    })
    .await
}

/// Three requests at once, of which two or more wait for the same envelope.
async fn post_together(stack: &Stack, numbers: [u32; 3]) -> Result<()> {
    stack.nats.freeze()?;
    let posted = numbers.map(|number| {
        let client = stack.ingest_client.clone();
        tokio::spawn(async move { post(&client, &traceparent(number, true)).await })
    });
    let port = stack.ingest_port();
    wait::until("ingest has read all of them", SOON, async || {
        let connections = Connections::to(port);
        (connections.open >= numbers.len() && connections.unread_bytes == 0).then_some(())
    })
    .await;
    stack.nats.thaw();
    for status in try_join_all(posted).await? {
        assert_eq!(status?, 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_trace_leads_from_the_request_to_the_commit_and_costs_nothing_where_nobody_traces() -> TestResult {
    let collector = Collector::start().await?;
    let variables = collector.environment();
    let environment: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[&environment[..], &[("PARTITIONS", "1")]].concat()).await?;
    let projector = stack.projector(DATABASE, &environment).await?;

    assert_eq!(post(&stack.ingest_client, &traceparent(7, true)).await?, 200);
    let request = span_of(&collector, "POST /event", &trace(7)).await;
    let publish = span_of(&collector, "publish events.0", &trace(7)).await;
    let commit = span_of(&collector, "commit events.0", &trace(7)).await;
    assert_eq!((request.service.as_str(), request.parent.as_str()), ("tidemark-ingest", "0000000000000001"));
    assert_eq!((publish.service.as_str(), &publish.parent), ("tidemark-ingest", &request.id));
    assert_eq!((commit.service.as_str(), &commit.parent), ("tidemark-projector", &publish.id));
    let carried = last_header(&stack, 0).await?.context("an envelope with a trace")?;
    assert_eq!(carried, format!("00-{}-{}-01", trace(7), publish.id));

    post_together(&stack, [11, 12, 13]).await?;
    let linked = wait::until("an envelope of several traces", SOON, async || {
        collector.spans().into_iter().find(|span| span.name.starts_with("publish") && !span.links.is_empty())
    })
    .await;
    let traces: BTreeSet<_> = linked.links.iter().chain([&linked.trace]).cloned().collect();
    assert_eq!(traces.len(), linked.links.len() + 1, "each once: {linked:?}");
    assert!(traces.is_subset(&[11, 12, 13].map(trace).into()), "{linked:?}");

    assert_eq!(post(&stack.ingest_client, &traceparent(8, false)).await?, 200);
    assert_eq!(last_header(&stack, 0).await?, None, "it was not to be sampled");
    assert!(ingest.stop().await.success());
    assert!(!collector.spans().iter().any(|span| span.trace == trace(8)), "ended, it has sent all that it had");

    let _ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    assert_eq!(post(&stack.ingest_client, &traceparent(9, true)).await?, 200);
    assert_eq!(last_header(&stack, 0).await?, None, "no client traces");
    assert!(tokio::time::timeout(Duration::from_secs(15), projector.process.stop()).await?.success());
    Ok(())
}
