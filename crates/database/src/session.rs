//! Settings of a connection. They are set by a statement once it is made, and not with the startup packet: poolers refuse
//! parameters there that they do not know.

use sqlx::PgConnection;

/// What the statements of both processes rely on, whatever the server, the database or the role has been set to.
const COMMON: [(&str, &str); 5] = [
    ("timezone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("standard_conforming_strings", "on"),
    // A commit that waits for another one has to see what that has done.
    ("default_transaction_isolation", "read committed"),
    // Rows that a policy hides would be missing from reports: an error says so.
    ("row_security", "off"),
];

/// All tables lie in this schema, so it is searched before all that the database or the role is set to.
const SEARCH_PATH: &str =
    "set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), false)";

/// The settings of a process' connections, as one statement.
#[derive(Debug, Clone)]
pub struct Session(String);

impl Session {
    /// These settings, and those that all processes have.
    pub fn of(settings: &[(&str, &str)]) -> Self {
        let quoted = |text: &str| text.replace('\'', "''");
        let set = |(name, value): &(&str, &str)| format!("set_config('{}', '{}', false)", quoted(name), quoted(value));
        let all: Vec<_> = COMMON.iter().chain(settings).map(set).collect();
        Self(format!("select {SEARCH_PATH}, {}", all.join(", ")))
    }

    /// Sets a connection, which has to be a new one.
    ///
    /// # Errors
    ///
    /// The connection is lost, or the server does not know a setting.
    pub async fn apply(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(self.0.clone())).execute(db).await?;
        Ok(())
    }
}
