//! Traces: OpenTelemetry spans, sent over OTLP to `OTEL_EXPORTER_OTLP_ENDPOINT`. Without that variable there are no spans,
//! at the cost of one atomic load.
//!
//! Spans exist for requests that are traced by their clients, and for the share of the others that `OTEL_TRACES_SAMPLER`
//! selects.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Link, Span as _, SpanBuilder, Status, TraceContextExt, Tracer, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use url::Url;

pub use opentelemetry::trace::{SpanContext, SpanKind};

/// Variable of the collector's address.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Variable of the protocol: `http/protobuf` (the default) or `http/json`.
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

/// Header of W3C Trace Context that carries the position in a trace.
const TRACEPARENT: &str = "traceparent";

/// Maximum traces of one span: one of its parent, the others as links. An envelope may have thousands of events.
pub const CONTEXTS_MAX: usize = 128;

/// Maximum time for sending the remaining spans at the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends spans in the background; at most 2,048 wait. Dropping it sends the remaining ones.
pub struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(err) = self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!(error = %err, "Some spans were not sent");
        }
    }
}

/// Starts tracing if a collector is configured. Keep the returned value until the process ends.
///
/// # Errors
///
/// The address of the collector is not usable.
pub fn init(service: &'static str) -> anyhow::Result<Option<Traces>> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(endpoint) = variable(ENDPOINT) else { return Ok(None) };
    ensure!(
        endpoint.starts_with("http://"),
        "{ENDPOINT} must begin with http://: a collector beside the process does the rest"
    );
    let builder = SpanExporter::builder();
    let exporter = match (variable(PROTOCOL), collector_with_user(&endpoint)?) {
        (protocol, Some((collector, authorization))) => {
            let is_json = protocol.as_deref() == Some("http/json");
            let protocol = if is_json { Protocol::HttpJson } else { Protocol::HttpBinary };
            let headers = HashMap::from([("Authorization".to_owned(), authorization)]);
            builder.with_http().with_protocol(protocol).with_endpoint(collector).with_headers(headers).build()
        }
        (Some(_), None) => builder.build(),
        (None, None) => builder.with_http().with_protocol(Protocol::HttpBinary).build(),
    };
    let exporter = exporter.with_context(|| format!("reading {ENDPOINT} and {PROTOCOL}"))?;
    let resource = Resource::builder().with_service_name(service).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    TRACER.get_or_init(|| provider.tracer("tidemark"));
    tracing::info!("Sending traces");
    Ok(Some(Traces(provider)))
}

/// Separates the address of a collector from the `Authorization` that its user and password become; `None` without a user.
/// The exporter would ignore the user, and print the whole address with each failure.
fn collector_with_user(endpoint: &str) -> anyhow::Result<Option<(String, String)>> {
    let mut collector = Url::parse(endpoint).with_context(|| format!("reading {ENDPOINT}"))?;
    ensure!(
        collector.query().is_none() && collector.fragment().is_none(),
        "{ENDPOINT} must have no query: put secrets into OTEL_EXPORTER_OTLP_HEADERS"
    );
    if collector.username().is_empty() && collector.password().is_none() {
        return Ok(None);
    }
    let user = format!("{}:{}", decoded(collector.username()), decoded(collector.password().unwrap_or_default()));
    let has_place = collector.set_password(None).and_then(|()| collector.set_username("")).is_ok();
    ensure!(has_place, "{ENDPOINT} must name a host");
    let path = format!("{}/v1/traces", collector.path().trim_end_matches('/'));
    collector.set_path(&path);
    Ok(Some((collector.into(), format!("Basic {}", BASE64_STANDARD.encode(user)))))
}

/// Decodes percent-encoding in a part of an address.
fn decoded(part: &str) -> String {
    let query = part.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(query.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// Whether tracing is configured.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// A span, which ends when it is dropped.
#[derive(Debug)]
pub struct Span(opentelemetry_sdk::trace::Span);

impl Span {
    /// Starts the span of a request, in the trace of its client if its headers carry one.
    pub fn request(name: &'static str, headers: &HeaderMap) -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        Self::started(tracer, SpanBuilder::from_name(name).with_kind(SpanKind::Server), &parent)
    }

    /// Starts the span of an operation on behalf of several: in the trace of the first, with links to the others.
    pub fn following(name: String, kind: SpanKind, contexts: &[SpanContext]) -> Option<Self> {
        let tracer = TRACER.get()?;
        let (first, others) = contexts.split_first()?;
        let links = others.iter().map(|other| Link::new(other.clone(), vec![], 0)).collect();
        let parent = Context::new().with_remote_span_context(first.clone());
        Self::started(tracer, SpanBuilder::from_name(name).with_kind(kind).with_links(links), &parent)
    }

    fn started(tracer: &SdkTracer, builder: SpanBuilder, parent: &Context) -> Option<Self> {
        let span = tracer.build_with_context(builder, parent);
        span.span_context().is_sampled().then_some(Self(span))
    }

    /// Position of the span in its trace.
    pub fn context(&self) -> &SpanContext {
        self.0.span_context()
    }

    /// Position of the span in its trace, as a value of `traceparent`.
    pub fn traceparent(&self) -> String {
        let context = self.context();
        format!("00-{}-{}-01", context.trace_id(), context.span_id())
    }

    /// Adds an attribute.
    pub fn note(&mut self, key: &'static str, number: u64) {
        self.0.set_attribute(KeyValue::new(key, i64::try_from(number).unwrap_or(i64::MAX)));
    }

    /// Marks the span as failed. The reason must not contain anything that a client has sent.
    pub fn fail(&mut self, reason: String) {
        self.0.set_status(Status::error(reason));
    }

    /// Ends the span of a request with the status of its answer.
    pub fn answered(mut self, status: StatusCode) {
        self.note("http.response.status_code", status.as_u16().into());
        if status.is_server_error() {
            self.fail(String::new());
        }
    }
}

/// Parses a `traceparent`; `None` if it is invalid or not sampled.
pub fn carried(traceparent: &str) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Carried(traceparent));
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then_some(context)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

struct Carried<'a>(&'a str);

impl Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_without_its_user() {
        let (collector, authorization) =
            collector_with_user("http://a%40b:s3c+ret@otel:4318/").expect("a URL").expect("a user");
        assert_eq!(collector, "http://otel:4318/v1/traces");
        assert_eq!(authorization, format!("Basic {}", BASE64_STANDARD.encode("a@b:s3c+ret")));
        assert_eq!(collector_with_user("http://otel:4318").expect("a URL"), None);
        assert!(collector_with_user("http://otel:4318/?token=s3cret").is_err());
    }

    #[test]
    fn what_is_carried_is_read_if_it_is_sampled() {
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = carried(traceparent).expect("a context");
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        for nothing in ["", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "00-0-0-01", "\u{1F600}"] {
            assert_eq!(carried(nothing), None, "{nothing}");
        }
    }
}
