//! Postgres: one server for all tests that run at the same time, a database for each.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use launcher::servers::postgres::Postgres;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::sync::Mutex;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// The role that the service runs under, in all tests.
pub(crate) const ROLE: &str = "tidemark_query";

const PASSWORD: &str = "only-for-tests";

/// A server; killed, and its data removed, when the last test lets go of it.
pub(crate) struct Server {
    pub(crate) postgres: Postgres,
    _dir: TempDir,
}

/// A database of its own.
#[derive(Clone)]
pub(crate) struct Database {
    name: String,
    server: Arc<Server>,
}

impl Server {
    /// A server that no other test uses: it may be killed.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let postgres = Postgres::start(dir.path()).await.expect("Postgres starts");
        let mut owner = PgConnection::connect(&postgres.owner_url("postgres")).await.expect("Postgres answers");
        let statement = format!("create role {ROLE} login password '{PASSWORD}'");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut owner).await.expect("a login for the service's role");
        Self { postgres, _dir: dir }
    }

    /// A server that follows this one, with all that is in it.
    pub(crate) async fn standby(&self) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let postgres = self.postgres.start_standby(dir.path()).await.expect("a standby starts");
        Self { postgres, _dir: dir }
    }

    /// Makes a database with the read models, empty.
    pub(crate) async fn migrated(&self, name: &str) -> PgPool {
        self.postgres.create_database(name).await.expect("a database");
        let owner = PgPool::connect(&self.postgres.owner_url(name)).await.expect("Postgres answers");
        MIGRATIONS.run(&owner).await.expect("the migrations");
        owner
    }

    /// The URL of a database for the service.
    pub(crate) fn service_url(&self, name: &str) -> String {
        self.postgres.url(ROLE, PASSWORD, name)
    }
}

impl Database {
    /// A database on the common server, without anything in it.
    pub(crate) async fn empty() -> Self {
        static COMMON: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut common = COMMON.lock().await;
        let server = match common.upgrade() {
            Some(server) => server,
            None => Arc::new(Server::start().await),
        };
        *common = Arc::downgrade(&server);
        drop(common);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.postgres.create_database(&name).await.expect("a database");
        Self { name, server }
    }

    /// Makes the read models in it. The pool is the owner's.
    pub(crate) async fn migrate(&self) -> PgPool {
        self.server.migrated(&self.name).await
    }

    /// The URL for the service.
    pub(crate) fn service_url(&self) -> String {
        self.server.service_url(&self.name)
    }
}
