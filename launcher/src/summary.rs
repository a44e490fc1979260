//! Tells where everything is.

use std::io::{Write, stdout};

use anyhow::Result;

use crate::demo;
use crate::options::Options;
use crate::secrets;
use crate::servers::nats::NatsUser;
use crate::servers::postgres::OWNER;
use crate::services::DATABASE;
use crate::stack::Stack;
use crate::workspace::Workspace;

/// Writes the file that leads the nats CLI and psql to the servers. It holds passwords.
pub(crate) fn write_environment(workspace: &Workspace, stack: &Stack) -> Result<()> {
    let (nats, postgres) = (stack.nats(), stack.postgres());
    let operator = nats.user(NatsUser::Operator);
    let text = format!(
        "\
# Leads the nats CLI and psql to the servers of the local stack: `. .tidemark/env`
export NATS_URL=nats://{}:{}@127.0.0.1:{}
export PGHOST=127.0.0.1
export PGPORT={}
export PGUSER={OWNER}
export PGDATABASE={DATABASE}
export PGPASSWORD={}
",
        operator.user,
        operator.password,
        nats.port(),
        postgres.port(),
        postgres.owner_password(),
    );
    secrets::write_private(&workspace.data().join("env"), &text)
}

/// Prints addresses, and commands to try.
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

  Post an event:
    curl {ingest}/event -H 'Content-Type: application/json' -d '{{"site_id":"site-abc-123","event_type":"page_view","path":"/pricing","user_id":"user-xyz-789","timestamp":"{now}"}}'
  Read a report:
    curl '{query}/stats?site_id={site}'

  NATS      {nats}, monitoring {monitor}
  Postgres  127.0.0.1:{postgres}
            after `. .tidemark/env`, `nats stream report` and `psql` find them
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
