//! Banner with addresses and commands, and the file of environment variables.

use std::io::{Write, stdout};

use anyhow::Result;

use super::Stack;
use super::cli::Options;
use super::demo;
use super::environment::{Access, Environment};
use super::services::{DATABASE, Keys};
use crate::build::Services;
use crate::install;
use crate::secrets;
use crate::workspace::Workspace;

/// Writes the file with the environment of the nats CLI, psql and the projector's commands. It contains passwords.
pub(crate) fn write_environment(workspace: &Workspace, programs: &Services, stack: &Stack) -> Result<()> {
    let keys = Keys::open(workspace)?;
    let programs = programs.projector.parent().expect("a program lies in a folder");
    let environment = Environment::of(Access {
        nats: stack.nats(),
        postgres: stack.postgres(),
        database: DATABASE,
        projector_password: &keys.projector_password,
        sketch_key: &keys.sketch_key,
        folders: vec![install::nats_cli_folder(workspace), programs.to_owned()],
    });
    let text = format!(
        "# Leads nats, psql and projector to the servers of the local stack: `. .tidemark/env`\n{}{}",
        environment.to_shell(),
        install::nats_cli_advice(workspace)
    );
    secrets::write_private(&workspace.data().join("env"), &text)
}

/// Prints addresses and commands.
pub(crate) fn print(workspace: &Workspace, options: &Options, stack: &Stack) {
    let ingest = format!("http://127.0.0.1:{}", options.ingest_port);
    let query = format!("http://127.0.0.1:{}", options.query_port);
    let site = if options.no_demo { "site-abc-123" } else { demo::SITE };
    let now = demo::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let text = format!(
        r#"
Tidemark runs.

  ingest    {ingest}   API: {ingest}/api-docs
  query     {query}   API: {query}/api-docs
  dashboard {query}/?site={site}

  Post an event:
    curl {ingest}/event -H 'Content-Type: application/json' -d '{{"site_id":"site-abc-123","event_type":"page_view","path":"/pricing","user_id":"user-xyz-789","timestamp":"{now}"}}'
  Read a report:
    curl '{query}/stats?site_id={site}'

  NATS      {nats}, monitoring {monitor}
  Postgres  127.0.0.1:{postgres}
            after `. .tidemark/env`, `nats stream report`, `psql` and `projector status` find them;
            nats/README.md has recipes
  Logs      {logs}

Ctrl-C stops everything.
"#,
        nats = stack.nats().url(),
        monitor = stack.nats().monitor_url(),
        postgres = stack.postgres().port(),
        logs = workspace.logs().display(),
    );
    // A closed terminal is no reason to stop working.
    let _ = stdout().write_all(text.as_bytes());
    let _ = stdout().flush();
}
