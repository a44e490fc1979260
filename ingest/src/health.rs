//! Whether the log's server can store anything at all. One that once found its disk full refuses to write to the
//! stream until it is restarted, and tells nobody who publishes: their envelopes stay without an answer.

use anyhow::anyhow;
use serde::Deserialize;
use service::Address;

use crate::trust::{Class, Lack};

/// `/healthz` of a server that is not well.
#[derive(Deserialize)]
struct Complaint {
    error: String,
}

/// Asks the server at this monitoring address how it is.
///
/// # Errors
///
/// It is not well, and says why; or it does not say anything.
pub(crate) async fn verify(client: &reqwest::Client, monitor_url: &Address) -> Result<(), Lack> {
    let silent = |err: reqwest::Error| {
        let err = anyhow!(err.without_url()).context(format!("asking {monitor_url} for /healthz (NATS_MONITOR_URLS)"));
        Lack { class: Class::ServerSilent, detail: format!("{err:#}") }
    };
    let asked = format!("{}/healthz", monitor_url.with_credentials().trim_end_matches('/'));
    let answer = client.get(asked).send().await.map_err(silent)?;
    if answer.status().is_success() {
        return Ok(());
    }
    let Complaint { error } = answer.json().await.map_err(silent)?;
    if error.contains("write error") {
        let detail = format!("the log's server cannot write: {error}. Make room on its disk and restart it");
        return Err(Lack { class: Class::CannotWrite, detail });
    }
    Err(Lack { class: Class::ServerUnwell, detail: format!("the log's server is not well: {error}") })
}
