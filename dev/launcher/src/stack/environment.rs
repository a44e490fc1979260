//! Environment of an operator's tools: variables for the nats CLI, psql and the commands of the projector.

use std::path::{Path, PathBuf};

use crate::servers::nats::{Nats, NatsUser};
use crate::servers::postgres::{OWNER, Postgres};

/// Environment variables, and folders for PATH. Contains secrets.
pub struct Environment {
    variables: Vec<(&'static str, String)>,
    folders: Vec<PathBuf>,
}

/// Servers and secrets for an [`Environment`].
pub struct Access<'a> {
    /// The log.
    pub nats: &'a Nats,
    /// The read models.
    pub postgres: &'a Postgres,
    /// Name of the database.
    pub database: &'a str,
    /// Password of the projector's role.
    pub projector_password: &'a str,
    /// Key of the user digests.
    pub sketch_key: &'a str,
    /// Folders of `nats` and `projector`.
    pub folders: Vec<PathBuf>,
}

impl Environment {
    /// The environment for these servers.
    pub fn of(access: Access<'_>) -> Self {
        let Access { nats, postgres, database, projector_password, sketch_key, folders } = access;
        let operator = nats.user(NatsUser::Operator);
        let variables = vec![
            ("NATS_URL", nats.url()),
            ("NATS_USER", operator.user),
            ("NATS_PASSWORD", operator.password),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", postgres.port().to_string()),
            ("PGUSER", OWNER.to_owned()),
            ("PGDATABASE", database.to_owned()),
            ("PGPASSWORD", postgres.owner_password().to_owned()),
            ("DATABASE_URL", postgres.url("tidemark_projector", projector_password, database)),
            ("SKETCH_KEY", sketch_key.to_owned()),
        ];
        Self { variables, folders }
    }

    /// Names and values of the variables.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Folders for the end of PATH, so that the user's own programs come first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The environment as commands of a shell.
    pub(crate) fn to_shell(&self) -> String {
        let variables = self.variables().map(|(name, value)| format!("export {name}={value}\n"));
        let folders = self.folders.iter().map(|folder| format!("export PATH=\"$PATH\":{}\n", quoted(folder)));
        variables.chain(folders).collect()
    }
}

fn quoted(folder: &Path) -> String {
    format!("'{}'", folder.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_have_any_name() {
        assert_eq!(quoted(Path::new("/a b/it's $HOME")), r"'/a b/it'\''s $HOME'");
    }
}
