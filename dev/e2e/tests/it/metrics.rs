use std::collections::BTreeSet;
use std::fs;

use crate::servers::prometheus::promtool;
use anyhow::Result;
use async_nats::jetstream::stream::Config;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::history::{SOON, event};
use crate::observe::metrics::{Kinds, promised, served, used, value};
use crate::observe::prometheus::{dashboard, rules_folder};

const DOCUMENT: &str = include_str!("../../../../docs/operations.md");

fn common() -> Kinds {
    let answering = promised(DOCUMENT, "Metrics of ingest and query:");
    promised(DOCUMENT, "Metrics of every service:").into_iter().chain(answering).collect()
}

/// Metrics that the documents promise of one service: those of all services, those of HTTP services, and its own.
fn promised_of(service: &str) -> Kinds {
    let (shared, own) = match service {
        "projector" => (promised(DOCUMENT, "Metrics of every service:"), "the projector"),
        _ => (common(), service),
    };
    shared.into_iter().chain(promised(DOCUMENT, &format!("Metrics of {own}:"))).collect()
}

/// Everything that can be measured happens at least once.
async fn stack_with_traffic() -> TestResult<(Stack, [String; 3])> {
    let stack = Stack::servers().await?;
    stack.log().await?.create_stream(Config { max_bytes: 1 << 20, ..log::declared(0) }).await?;
    let _ingest = stack.ingest(&[]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query_with(&[("QUERY_AFTER_TIMEOUT_MS", "100")]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("a")).await?.status, 200);
    assert_eq!(stack.ingest_client.post("/event", "{}").await?.status, 400);
    stack.drained(DATABASE).await?;
    assert_eq!(stack.query_client.get("/stats?site_id=a").await?.status, 200);
    assert_eq!(stack.query_client.get("/stats?site_id=a&after=0-4711-0").await?.status, 503);
    let clients = [&stack.ingest_client, &projector.client, &stack.query_client];
    let mut texts = [const { String::new() }; 3];
    for (client, text) in clients.into_iter().zip(&mut texts) {
        *text = wait::until("what is looked at now and then was", SOON, async || {
            let text = client.get("/metrics").await.ok()?.text;
            let is_complete = !text.contains("projector_") || text.contains("\nprojector_parked_events{");
            let is_looked_at = !text.contains("ingest_") || text.contains("\ningest_log_store_bytes_max{");
            (is_complete && is_looked_at).then_some(text)
        })
        .await;
    }
    Ok((stack, texts))
}

#[tokio::test]
async fn what_is_promised_is_served_and_nothing_else() -> TestResult {
    let (_stack, texts) = stack_with_traffic().await?;
    for (service, text) in ["ingest", "projector", "query"].into_iter().zip(&texts) {
        assert_eq!(served(text), promised_of(service), "of {service}");
    }
    let [ingest, projector, query] = texts;
    for (text, series, least) in [
        (&ingest, "http_requests_total{route=\"/event\",method=\"POST\",status=\"200\"}", 1.0),
        (&ingest, "http_refusals_total{route=\"/event\",code=\"missing_field\"}", 1.0),
        (&ingest, "ingest_events_rejected_total{reason=\"missing_field\"}", 1.0),
        (&ingest, "ingest_events_rejected_total{reason=\"site_not_allowed\"}", 0.0),
        (&ingest, "ingest_events_unconfirmed_total{reason=\"log_full\"}", 0.0),
        (&ingest, "ingest_events_stored_total", 1.0),
        (&ingest, "ingest_puback_seconds_count", 1.0),
        (&ingest, "ingest_envelope_bytes_bucket{le=\"256\"}", 1.0),
        (&projector, "projector_log_bytes_max{partition=\"0\"}", 1_048_576.0),
        (&projector, "projector_generation_active{generation=\"1\"}", 1.0),
        (&projector, "projector_pool_connections_max", 16.0),
        (&query, "http_requests_total{route=\"/stats\",method=\"GET\",status=\"503\"}", 1.0),
        (&query, "http_refusals_total{route=\"/stats\",code=\"not_contained_yet\"}", 1.0),
        (&query, "http_request_duration_seconds_count{route=\"/stats\"}", 2.0),
        (&query, "query_pool_connections_max", 8.0),
    ] {
        assert_eq!(value(text, series), Some(least), "{series} in {text}");
    }
    Ok(())
}

fn with_keys() -> Kinds {
    promised(DOCUMENT, "Metrics of ingest and query with keys:")
}

fn with_tls() -> Kinds {
    promised(DOCUMENT, "Metrics of ingest and query with TLS:")
}

#[tokio::test]
async fn keys_are_measured_and_so_is_who_is_refused() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let key = keys.add(&["--all-sites"]).await?;
    let some = keys.add(&["--site", "b"]).await?;
    let settings = [("INGEST_KEYS_FILE", keys.name()), ("RATE_PER_KEY", "1:1000")];
    let _ingest = stack.ingest(&settings).await?;
    let client = &stack.ingest_client;
    let refused = [
        ("/event", "", 401, "key_required"),
        ("/event?key=tm_a_b", "", 401, "invalid_key"),
        ("/event", some.as_str(), 403, "site_not_allowed"),
    ];
    for (path, key, status, _) in refused {
        let path = if key.is_empty() { path.to_owned() } else { format!("{path}?key={key}") };
        assert_eq!(client.post(&path, event("a")).await?.status, status, "{path}");
    }
    // Attempts with wrong keys are counted there, too; scrapes are no traffic.
    assert_eq!(client.get("/metrics").await?.status, 401);
    assert_eq!(client.get(&format!("/metrics?key={some}")).await?.status, 403);
    let two = [event("a"), event("b")].join("\n");
    assert_eq!(client.post(&format!("/events?key={some}"), two).await?.status, 200);
    // What is in the file is told when it is looked at next.
    let text = wait::until("the file was looked at", SOON, async || {
        let text = client.get(&format!("/metrics?key={key}")).await.ok()?.text;
        text.contains("\naccess_keys ").then_some(text)
    })
    .await;
    for (route, code) in refused
        .map(|(_, _, _, code)| ("/event", code))
        .into_iter()
        .chain([("/metrics", "key_required"), ("/metrics", "all_sites_required")])
    {
        let series = format!("http_refusals_total{{route=\"{route}\",code=\"{code}\"}}");
        assert_eq!(value(&text, &series), Some(1.0), "{series} in {text}");
    }
    // One alone, and one among others.
    let rejected = "ingest_events_rejected_total{reason=\"site_not_allowed\"}";
    assert_eq!(value(&text, rejected), Some(2.0), "{text}");
    assert_eq!((value(&text, "access_keys"), value(&text, "access_keys_stale")), (Some(2.0), Some(0.0)));
    assert!(!text.contains("http_requests_total{route=\"/metrics\""), "{text}");
    let known: Kinds = common().into_iter().chain(promised_of("ingest")).chain(with_keys()).collect();
    assert!(served(&text).iter().all(|(name, kind)| known.get(name) == Some(kind)), "{text}");
    assert!(with_keys().keys().all(|name| served(&text).contains_key(name)), "{text}");
    Ok(())
}

#[test]
fn what_rules_and_the_dashboard_use_is_promised() -> Result<()> {
    let of_services = ["ingest", "projector", "query"].into_iter().flat_map(promised_of);
    let promised: BTreeSet<String> = of_services.chain(with_keys()).chain(with_tls()).map(|(name, _)| name).collect();
    let rules = fs::read_to_string(rules_folder()?.join("alerts.yml"))?;
    let expressions: String = dashboard()?.into_iter().map(|(_, expression)| expression + "\n").collect();
    for (text, least) in [(rules, 8), (expressions, 30)] {
        let used = used(&text);
        assert!(used.len() >= least, "only {used:?}");
        let unknown: Vec<_> = used.difference(&promised).collect();
        assert!(unknown.is_empty(), "no document promises {unknown:?}");
    }
    Ok(())
}

#[tokio::test]
async fn rules_are_what_prometheus_takes_and_fire_where_they_should() -> TestResult {
    let folder = rules_folder()?;
    promtool(&folder, &["check", "config", "prometheus.yml"]).await?;
    // Its files of keys are in a container only.
    promtool(&folder, &["check", "config", "--syntax-only", "compose.yml"]).await?;
    promtool(&folder, &["check", "rules", "alerts.yml"]).await?;
    promtool(&folder, &["test", "rules", "alerts.test.yml"]).await?;
    Ok(())
}
