//! Session settings of a connection. They are set by a statement and not in the startup packet, because poolers refuse
//! unknown parameters there.

use sqlx::PgConnection;

/// Settings that the statements of all processes need, independent of settings of the server, the database or the role.
const COMMON: [(&str, &str); 5] = [
    ("timezone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("standard_conforming_strings", "on"),
    // A transaction that waits for another one has to see its result.
    ("default_transaction_isolation", "read committed"),
    // Rows that a policy hides would be missing in reports; with this setting the server returns an error instead.
    ("row_security", "off"),
];

/// Prepends the schema of all tables to the search path of the database or role.
const SEARCH_PATH: &str =
    "set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), false)";

/// Session settings as one statement.
#[derive(Debug, Clone)]
pub struct Session(String);

impl Session {
    /// Combines `settings` with those of all processes.
    pub fn of(settings: &[(&str, &str)]) -> Self {
        let quoted = |text: &str| text.replace('\'', "''");
        let set = |(name, value): &(&str, &str)| format!("set_config('{}', '{}', false)", quoted(name), quoted(value));
        let all: Vec<_> = COMMON.iter().chain(settings).map(set).collect();
        Self(format!("select {SEARCH_PATH}, {}", all.join(", ")))
    }

    /// Applies the settings to a new connection.
    ///
    /// # Errors
    ///
    /// The connection is lost, or the server does not know a setting.
    pub async fn apply(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(self.0.clone())).execute(db).await?;
        Ok(())
    }
}
