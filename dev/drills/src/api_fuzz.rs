//! Both services, asked at random as they describe themselves: by Schemathesis, from their OpenAPI documents.
//!
//! Schemathesis sends what the documents allow, and what they do not, and compares status, headers and body with what they say.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use testkit::clients::http::Client;
use testkit::stack::{DATABASE, Stack};

/// Requests of each kind and endpoint. Both services take half a minute with it.
const EXAMPLES_MAX: &str = "60";

/// Fixed, so that what has passed once passes again.
const SEED: &str = "4711";

/// What the documents cannot say, so what is said of it is no mistake: that `from` must not be later than `to`, that
/// `date` excludes both, that a cursor and a receipt were given before, and that a batch may be of text.
const UNSAYABLE: &str = "positive_data_acceptance,negative_data_rejection";

/// Endless answers, which have tests of their own.
const ENDLESS: &str = "/live";

/// Asks ingest, and then query, of a whole Tidemark. Answers whether nothing was found; what was, is printed.
pub async fn run(schemathesis: &Path) -> Result<bool> {
    let stack = Stack::servers().await?;
    // With keys, so that it also asks without one, and with a wrong one.
    let (events, reports) = (stack.keys_of("ingest"), stack.keys_of("query"));
    let keys = [events.add(&["--all-sites"]).await?, reports.add(&["--all-sites"]).await?];
    let _ingest = stack.ingest(&[("INGEST_KEYS_FILE", events.name())]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query_with(&[("QUERY_KEYS_FILE", reports.name())]).await?;
    // It cannot write NDJSON, of which the example is.
    let is_ingest_sound = ask(schemathesis, &stack.ingest_client, &keys[0], "coverage,fuzzing").await?;
    // What ingest has accepted meanwhile is what query answers from.
    stack.drained(DATABASE).await?;
    Ok(ask(schemathesis, &stack.query_client, &keys[1], "examples,coverage,fuzzing").await? && is_ingest_sound)
}

async fn ask(schemathesis: &Path, client: &Client, key: &str, phases: &str) -> Result<bool> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let document = client.url("/api-docs/openapi.json");
    let status = Command::new(schemathesis)
        .args(["run", &document, "--checks", "all", "--exclude-checks", UNSAYABLE, "--exclude-path", ENDLESS])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        // Otherwise it would make up keys beside this one, and hardly any request would get past them.
        .args(["--generation-with-security-parameters", "false"])
        .args(["--phases", phases, "--max-examples", EXAMPLES_MAX, "--seed", SEED])
        .args(["--continue-on-failure", "--request-timeout", "20", "--warnings", "off", "--no-color"])
        // It keeps examples where it is started.
        .current_dir(folder.path())
        .status();
    Ok(status.await.with_context(|| format!("starting {}", schemathesis.display()))?.success())
}
