//! pgbouncer, in front of a private Postgres.

/// Finds pgbouncer, or unpacks it.
mod install;

use std::fmt;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use launcher::ports;
use launcher::process::os_user::OsUser;
use launcher::process::{Launch, Process, ready};
use launcher::servers::{port_was_taken, start_on_ports};
use launcher::workspace::Workspace;

use install::PgbouncerProgram;

/// Pooling mode: when a connection to Postgres may be given to another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// After its client has disconnected.
    Session,
    /// After each transaction.
    Transaction,
}

/// The Postgres behind the pooler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind<'a> {
    /// Port of Postgres.
    pub(crate) port: u16,
    /// Users with their passwords, in both servers.
    pub(crate) users: &'a [(&'a str, &'a str)],
}

/// A running pooler, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Pgbouncer {
    port: u16,
    _process: Process,
}

struct Start<'a> {
    program: PgbouncerProgram,
    dir: &'a Path,
    user: Option<OsUser>,
    pooling: Pooling,
    postgres_port: u16,
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
    /// Starts a pooler with its files in `dir`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// pgbouncer is missing and cannot be unpacked, or does not start.
    pub(crate) async fn start(dir: &Path, pooling: Pooling, behind: Behind<'_>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let user = OsUser::unprivileged()?;
        if let Some(user) = user {
            user.open_temporary_folders(dir)?;
        }
        let program = copied(install::pgbouncer(&Workspace::find()?).await?, dir)?;
        let users: Vec<_> =
            behind.users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
        write(&dir.join("users.txt"), &users.concat())?;
        let start = Start { program, dir, user, pooling, postgres_port: behind.port };
        let started = start_on_ports([ports::free()], async |[port]| start.on(port).await);
        let (process, [port]) = started.await?;
        Ok(Self { port, _process: process })
    }

    /// URL of a database behind the pooler.
    pub(crate) fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }
}

/// Copies the program to a folder that its user can reach.
fn copied(found: PgbouncerProgram, dir: &Path) -> Result<PgbouncerProgram> {
    let program = dir.join("pgbouncer");
    fs::copy(&found.program, &program).with_context(|| format!("copying {}", found.program.display()))?;
    let Some(libraries) = found.libraries else { return Ok(PgbouncerProgram { program, libraries: None }) };
    fs::copy(libraries.join("libcares.so.2"), dir.join("libcares.so.2")).context("copying libcares")?;
    Ok(PgbouncerProgram { program, libraries: Some(dir.to_owned()) })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    // pgbouncer runs as another user, and the passwords are those of a test.
    fs::set_permissions(path, Permissions::from_mode(0o644)).with_context(|| format!("opening {}", path.display()))
}

impl Start<'_> {
    async fn on(&self, port: u16) -> Result<Option<Process>> {
        let configuration = self.dir.join("pgbouncer.ini");
        let users = self.dir.join("users.txt");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {}\nmax_client_conn = 200\n\
             default_pool_size = 40\n",
            self.postgres_port,
            users.display(),
            self.pooling
        );
        write(&configuration, &text)?;
        let mut command = self.program.command();
        command.arg(configuration);
        let launch = Launch::new("pgbouncer", command).log(self.dir.join("pgbouncer.log")).user(self.user);
        let process = Process::start(launch)?;
        let is_ready =
            async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && ports::is_owned_by(port, process.pid());
        match ready::wait_for(&process, is_ready).await {
            Err(_) if port_was_taken(&process) => Ok(None),
            outcome => outcome.map(|()| Some(process)),
        }
    }
}
