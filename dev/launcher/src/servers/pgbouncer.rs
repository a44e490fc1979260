//! pgbouncer, before a Postgres of ours.

use std::fmt;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::{port_was_taken, start_on_ports};
use crate::account::Account;
use crate::install::{self, PgbouncerProgram};
use crate::ports;
use crate::process::{Launch, Process};
use crate::progress;
use crate::ready;
use crate::workspace::Workspace;

/// When a connection of the server is given to another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// When its client leaves.
    Session,
    /// After each transaction.
    Transaction,
}

/// Who may log in there, and to which server they are led.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// The port of Postgres.
    pub port: u16,
    /// Users with their passwords, the same here and there.
    pub users: &'a [(&'a str, &'a str)],
}

/// A running pooler. Dropped, it is killed.
#[derive(Debug)]
pub struct Pgbouncer {
    port: u16,
    process: Process,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        })
    }
}

impl Pgbouncer {
    /// Starts one with all else as it is by default, and with its files in `dir`, which is made when it is missing.
    ///
    /// # Errors
    ///
    /// When pgbouncer is missing and cannot be unpacked, or does not start.
    pub async fn start(dir: &Path, pooling: Pooling, behind: Behind<'_>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let account = Account::unprivileged()?;
        if let Some(account) = account {
            account.open_temporary_folders(dir)?;
        }
        let program = copied(install::pgbouncer(&Workspace::find()?).await?, dir)?;
        let users: Vec<_> =
            behind.users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
        write(&dir.join("users.txt"), &users.concat())?;
        let start = async |[port]: [u16; 1]| on(port, &program, (dir, account), (pooling, behind.port)).await;
        let started = start_on_ports([ports::free()], start);
        let (process, [port]) = progress::step("Starting pgbouncer", started).await?;
        Ok(Self { port, process })
    }

    /// The URL of a database behind it.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The pooler's process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// The program, where the account that it runs under can reach it.
fn copied(found: PgbouncerProgram, dir: &Path) -> Result<PgbouncerProgram> {
    let program = dir.join("pgbouncer");
    fs::copy(&found.program, &program).with_context(|| format!("copying {}", found.program.display()))?;
    let Some(libraries) = found.libraries else { return Ok(PgbouncerProgram { program, libraries: None }) };
    fs::copy(libraries.join("libcares.so.2"), dir.join("libcares.so.2")).context("copying libcares")?;
    Ok(PgbouncerProgram { program, libraries: Some(dir.to_owned()) })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    // It runs under another account, and these are passwords of a test.
    fs::set_permissions(path, Permissions::from_mode(0o644)).with_context(|| format!("opening {}", path.display()))
}

async fn on(
    port: u16,
    program: &PgbouncerProgram,
    (dir, account): (&Path, Option<Account>),
    (pooling, server): (Pooling, u16),
) -> Result<Option<Process>> {
    let configuration = dir.join("pgbouncer.ini");
    let users = dir.join("users.txt");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {pooling}\nmax_client_conn = 200\n\
         default_pool_size = 40\n",
        users.display()
    );
    write(&configuration, &text)?;
    let mut command = program.command();
    command.arg(configuration);
    let process = Process::start(Launch::new("pgbouncer", command).log(dir.join("pgbouncer.log")).account(account))?;
    let is_ready =
        async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && ports::is_held_by(port, process.pid());
    match ready::wait_for(&process, is_ready).await {
        Err(_) if port_was_taken(&process) => Ok(None),
        outcome => outcome.map(|()| Some(process)),
    }
}
