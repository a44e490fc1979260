//! User of the operating system that Postgres runs as if this process is root, and the paths that it can reach.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A user without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl OsUser {
    /// `postgres`, else `nobody`; `None` if this process is not root and needs no other user.
    ///
    /// # Errors
    ///
    /// The machine has neither.
    pub fn unprivileged() -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        match ["postgres", "nobody"].iter().find_map(|name| Self::find(&users, name)) {
            Some(user) => Ok(Some(user)),
            None => bail!("Postgres does not run as root, and there is neither a user `postgres` nor `nobody`"),
        }
    }

    /// Owner of `path`, if it exists and is not root's.
    pub(crate) fn owner(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        (metadata.uid() != 0).then(|| Self { uid: metadata.uid(), gid: metadata.gid() })
    }

    /// Whether the user may enter all folders down to `path`, as far as they exist.
    pub(crate) fn can_enter(self, path: &Path) -> bool {
        obstacles(path).all(|(_, metadata)| self.can_pass(&metadata))
    }

    /// Permits all users to pass through, but not to list, the temporary folders of this process above `path`. Test servers
    /// have their data there.
    pub fn open_temporary_folders(self, path: &Path) -> Result<()> {
        let temporary = std::env::temp_dir();
        let temporary = temporary.canonicalize().unwrap_or(temporary);
        for (folder, metadata) in obstacles(path) {
            let is_ours = folder.starts_with(&temporary) && folder != temporary && metadata.uid() == own_uid();
            if is_ours && !self.can_pass(&metadata) {
                let permissions = Permissions::from_mode(metadata.permissions().mode() | 0o001);
                fs::set_permissions(folder, permissions).with_context(|| format!("opening {}", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Makes the user the owner of a file or folder.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("giving away {}", path.display()))
    }

    fn can_pass(self, metadata: &fs::Metadata) -> bool {
        let mode = metadata.permissions().mode();
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }

    fn find(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { uid, gid })
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    own_uid() == 0
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The folders down to `path`, `path` included, as far as they exist.
fn obstacles(path: &Path) -> impl Iterator<Item = (&Path, fs::Metadata)> {
    path.ancestors().filter_map(|folder| Some((folder, fs::metadata(folder).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "postgresql:x:1:2::/:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(OsUser::find(users, "postgres"), Some(OsUser { uid: 101, gid: 104 }));
        assert_eq!(OsUser::find(users, "daemon"), None);
    }

    #[test]
    fn a_private_folder_stops_other_users() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("our own folder");
        let inside = folder.path().join("data");
        let owner = fs::metadata(folder.path()).expect("it exists");
        let stranger = OsUser { uid: owner.uid() + 4_321, gid: owner.gid() + 4_321 };
        assert!(!stranger.can_enter(&inside));
        stranger.open_temporary_folders(&inside).expect("our own folder");
        assert!(stranger.can_enter(&inside));
    }
}
