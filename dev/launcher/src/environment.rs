//! What leads an operator's tools to the servers: variables for the nats CLI, psql and the commands of the projector.

use std::path::{Path, PathBuf};

use crate::servers::nats::{Nats, NatsUser};
use crate::servers::postgres::{OWNER, Postgres};

/// Variables of the environment, and folders to look for programs in. It holds secrets.
pub struct Environment {
    variables: Vec<(&'static str, String)>,
    folders: Vec<PathBuf>,
}

/// What the variables lead to.
pub struct Access<'a> {
    /// The log.
    pub nats: &'a Nats,
    /// The read models.
    pub postgres: &'a Postgres,
    /// Their database.
    pub database: &'a str,
    /// The password of the role that the projector has there.
    pub projector_password: &'a str,
    /// What users are counted under.
    pub sketch_key: &'a str,
    /// Where `nats` and `projector` are.
    pub folders: Vec<PathBuf>,
}

impl Environment {
    /// The variables of these servers.
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

    /// The variables, each with its value.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Folders for the end of PATH: programs that the user has himself come first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The same for a shell.
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
