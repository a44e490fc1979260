//! Data directory of a server: created, and given to the user that runs it.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Durability, OWNER};
use crate::install::PostgresPrograms;
use crate::process::os_user::OsUser;
use crate::process::{self, Launch};
use crate::progress;
use crate::secrets;
use crate::workspace;

/// Folder of data directories for workspaces that the user of Postgres may not enter.
const SHARED_FOLDER: &str = "/var/lib/tidemark";

/// Folder of a server, and the user that runs it.
#[derive(Debug)]
pub(super) struct DataDir {
    dir: PathBuf,
    /// `None` if Postgres runs as the current user.
    user: Option<OsUser>,
}

impl DataDir {
    /// Opens `dir`, which the user of Postgres must be able to enter.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("looking for {}", dir.display()))?;
        // The owner of existing data keeps it.
        let owner = |unprivileged| OsUser::owner(&dir.join("data")).unwrap_or(unprivileged);
        let user = OsUser::unprivileged()?.map(owner);
        if let Some(user) = user {
            user.open_temporary_folders(&dir)?;
            ensure!(user.can_enter(&dir), "the user of Postgres may not enter {}", dir.display());
        }
        Ok(Self { dir, user })
    }

    /// File of the owner's password.
    pub(super) fn password_path(dir: &Path) -> PathBuf {
        dir.join("password")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn user(&self) -> Option<OsUser> {
        self.user
    }

    /// Initializes the database unless it exists.
    pub(super) async fn initialize(
        &self,
        programs: &PostgresPrograms,
        password: &str,
        durability: Durability,
    ) -> Result<()> {
        if self.data().exists() {
            return Ok(());
        }
        let draft = self.draft()?;
        let password_file = draft.join("password");
        secrets::write_private(&password_file, password)?;
        if let Some(user) = self.user {
            user.own(&password_file)?;
        }
        let mut command = command(&programs.program("initdb"));
        command.args(["-U", OWNER, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]);
        command.arg(format!("--pwfile={}", password_file.display()));
        command.arg("-D").arg(draft.join("data"));
        if durability == Durability::None {
            command.arg("--no-sync");
        }
        let launch = Launch::new("initdb", command).log(self.dir.join("initdb.log")).user(self.user);
        progress::step("Making the database", process::run(launch)).await?;
        self.publish(&draft)
    }

    /// Creates an empty folder of the user. Its content is moved once it is complete, so that an interrupted `initdb` is never
    /// used.
    pub(super) fn draft(&self) -> Result<PathBuf> {
        let draft = self.dir.join("draft");
        workspace::remove(&draft)?;
        fs::create_dir(&draft).with_context(|| format!("creating {}", draft.display()))?;
        if let Some(user) = self.user {
            user.own(&draft)?;
        }
        Ok(draft)
    }

    /// Moves `data` of a draft to its place.
    pub(super) fn publish(&self, draft: &Path) -> Result<()> {
        fs::rename(draft.join("data"), self.data()).context("moving the new database to its place")?;
        workspace::remove(draft)
    }

    /// Whether the postmaster `pid` accepts connections, by its status file, which `pg_ctl` reads, too.
    pub(super) fn is_served_by(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}

/// A command with English messages, in a folder that every user may enter.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// Creates the folder `dir` for the local stack, and returns its real path.
///
/// The user of Postgres cannot enter a workspace in root's home. Its permissions are not changed: `dir` is then a link to a
/// folder elsewhere.
///
/// # Errors
///
/// The process is root and the machine has no user without privileges, or the folder cannot be created.
pub(crate) fn create_data_dir(dir: &Path) -> Result<PathBuf> {
    if !dir.exists() {
        match OsUser::unprivileged()? {
            Some(user) if !user.can_enter(dir) => link_shared(dir)?,
            _ => fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?,
        }
    }
    dir.canonicalize().with_context(|| format!("looking for {}", dir.display()))
}

/// Removes the folder of the database, and the target of a link.
pub(crate) fn remove_data_dir(dir: &Path) -> Result<()> {
    match fs::read_link(dir) {
        Ok(shared) => {
            workspace::remove(&shared)?;
            fs::remove_file(dir).with_context(|| format!("removing {}", dir.display()))
        }
        Err(_) => workspace::remove(dir),
    }
}

fn link_shared(dir: &Path) -> Result<()> {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    let shared = Path::new(SHARED_FOLDER).join(format!("{:016x}", hasher.finish()));
    let link = || {
        fs::create_dir_all(&shared)?;
        // Independent of the umask: other users can pass, but not list.
        for folder in [Path::new(SHARED_FOLDER), &shared] {
            fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        }
        // A link whose target was removed would be in the way.
        let _ = fs::remove_file(dir);
        symlink(&shared, dir)
    };
    link().with_context(|| format!("making {} for the database", shared.display()))
}
