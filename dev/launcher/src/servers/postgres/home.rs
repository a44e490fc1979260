//! The folder of a database: made, and given to the account that may run it.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Durability, OWNER};
use crate::account::Account;
use crate::install::PostgresPrograms;
use crate::process::{self, Launch};
use crate::progress;
use crate::secrets;
use crate::workspace;

/// Folders for databases whose own folder lies where the account of Postgres may not go.
const SHELTERS: &str = "/var/lib/tidemark";

/// Postgres's own folder and the account it runs under.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    /// `None` when Postgres runs as this user.
    account: Option<Account>,
}

impl Home {
    /// Sees to it that Postgres can reach `dir`.
    pub(super) fn settle(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("looking for {}", dir.display()))?;
        // Whoever made the data goes on with them.
        let owner = |unprivileged| Account::owner(&dir.join("data")).unwrap_or(unprivileged);
        let account = Account::unprivileged()?.map(owner);
        if let Some(account) = account {
            account.open_temporary_folders(&dir)?;
            ensure!(account.can_enter(&dir), "the account of Postgres may not enter {}", dir.display());
        }
        Ok(Self { dir, account })
    }

    /// Beside the database: the owner's password.
    pub(super) fn password_path(dir: &Path) -> PathBuf {
        dir.join("password")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }

    /// Makes the database unless it is there.
    pub(super) async fn make(&self, programs: &PostgresPrograms, password: &str, durability: Durability) -> Result<()> {
        if self.data().exists() {
            return Ok(());
        }
        let draft = self.draft()?;
        let password_file = draft.join("password");
        secrets::write_private(&password_file, password)?;
        if let Some(account) = self.account {
            account.own(&password_file)?;
        }
        let mut command = command(&programs.program("initdb"));
        command.args(["-U", OWNER, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]);
        command.arg(format!("--pwfile={}", password_file.display()));
        command.arg("-D").arg(draft.join("data"));
        if durability == Durability::None {
            command.arg("--no-sync");
        }
        let launch = Launch::new("initdb", command).log(self.dir.join("initdb.log")).account(self.account);
        progress::step("Making the database", process::run(launch)).await?;
        self.take_in(&draft)
    }

    /// An empty folder of the account's. What is made there is renamed when it is whole: an interrupted `initdb` is never
    /// taken for a good one.
    pub(super) fn draft(&self) -> Result<PathBuf> {
        let draft = self.dir.join("draft");
        workspace::remove(&draft)?;
        fs::create_dir(&draft).with_context(|| format!("creating {}", draft.display()))?;
        if let Some(account) = self.account {
            account.own(&draft)?;
        }
        Ok(draft)
    }

    /// Makes `data` of a draft the database.
    pub(super) fn take_in(&self, draft: &Path) -> Result<()> {
        fs::rename(draft.join("data"), self.data()).context("moving the new database to its place")?;
        workspace::remove(draft)
    }

    /// Whether the postmaster `pid` accepts connections: it says so in its file, as it does for `pg_ctl`.
    pub(super) fn is_served_by(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}

/// A command that speaks English, from a folder that every account may be in.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// Makes the folder `dir` for the database of the local stack, and returns where it really is.
///
/// A workspace in root's own folder is closed to the account of Postgres, and to open it is not ours to do: `dir` is
/// then a link to a folder elsewhere, of which the caller should tell.
///
/// # Errors
///
/// When this process is root and the machine has no account without rights, or the folder cannot be made.
pub(crate) fn move_in(dir: &Path) -> Result<PathBuf> {
    if !dir.exists() {
        match Account::unprivileged()? {
            Some(account) if !account.can_enter(dir) => link_shelter(dir)?,
            _ => fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?,
        }
    }
    dir.canonicalize().with_context(|| format!("looking for {}", dir.display()))
}

/// Removes the folder of the database, wherever it is.
pub(crate) fn leave(dir: &Path) -> Result<()> {
    match fs::read_link(dir) {
        Ok(shelter) => {
            workspace::remove(&shelter)?;
            fs::remove_file(dir).with_context(|| format!("removing {}", dir.display()))
        }
        Err(_) => workspace::remove(dir),
    }
}

fn link_shelter(dir: &Path) -> Result<()> {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    let shelter = Path::new(SHELTERS).join(format!("{:016x}", hasher.finish()));
    let link = || {
        fs::create_dir_all(&shelter)?;
        // Whatever the umask says: others pass through, and look into nothing.
        for folder in [Path::new(SHELTERS), &shelter] {
            fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        }
        // A link whose folder somebody removed would stand in the way.
        let _ = fs::remove_file(dir);
        symlink(&shelter, dir)
    };
    link().with_context(|| format!("making {} for the database", shelter.display()))
}
