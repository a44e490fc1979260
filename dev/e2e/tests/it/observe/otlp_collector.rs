//! What receives spans, as an OpenTelemetry collector does: over HTTP, as JSON.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running collector. Dropped, it is gone.
pub(crate) struct Collector {
    port: u16,
    spans: Arc<Mutex<Vec<Span>>>,
    receiving: JoinHandle<()>,
}

/// A span that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Name of the service that sent the span.
    pub(crate) service: String,
    /// Name of the operation.
    pub(crate) name: String,
    /// The trace that it belongs to.
    pub(crate) trace: String,
    /// Its own number.
    pub(crate) id: String,
    /// The span that it is a part of; empty if it is the first.
    pub(crate) parent: String,
    /// Other traces that it belongs to.
    pub(crate) links: Vec<String>,
}

impl Collector {
    /// Listens on a free port.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening")?;
        let port = listener.local_addr()?.port();
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let received = spans.clone();
        let receive = async move |Json(sent): Json<Value>| {
            received.lock().unwrap_or_else(PoisonError::into_inner).extend(spans_of(&sent));
            Json(json!({}))
        };
        let router = Router::new().route("/v1/traces", post(receive));
        let receiving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it never ends") });
        Ok(Self { port, spans, receiving })
    }

    /// What makes a service send its spans here, soon.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ]
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

fn spans_of(sent: &Value) -> Vec<Span> {
    let mut spans = vec![];
    for of_service in list(&sent["resourceSpans"]) {
        let is_name = |attribute: &&Value| attribute["key"] == "service.name";
        let attributes = list(&of_service["resource"]["attributes"]);
        let service =
            attributes.iter().find(is_name).map_or_else(String::new, |name| text(&name["value"]["stringValue"]));
        for scope in list(&of_service["scopeSpans"]) {
            spans.extend(list(&scope["spans"]).iter().map(|span| Span {
                service: service.clone(),
                name: text(&span["name"]),
                trace: text(&span["traceId"]),
                id: text(&span["spanId"]),
                parent: text(&span["parentSpanId"]),
                links: list(&span["links"]).iter().map(|link| text(&link["traceId"])).collect(),
            }));
        }
    }
    spans
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
