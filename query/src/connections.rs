//! Connections to Postgres for reports: so many, made when they are needed, and used again.
//!
//! Not sqlx's own pool: that one asks each connection for a sign of life whenever it is given back, a second round trip for
//! each report, and a quarter of what the shortest one costs. [`Lease`](crate::lease::Lease) knows without asking: it keeps what an
//! answer was read from to its end.

use std::time::Duration;

use database::Session;
use deadpool::managed::{Manager, Metrics, Object, Pool, QueueMode, RecycleError, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

/// A connection that was taken last less than this ago is used without asking whether it still lives: that would be a
/// round trip.
const UNTESTED_MAX: Duration = Duration::from_secs(1);

/// An older one is replaced: what Postgres keeps for it grows, and addresses of servers change.
const AGE_MAX: Duration = Duration::from_mins(30);

/// Between attempts to connect while Postgres starts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Those that there are, and those that are waited for.
pub(crate) type Connections = Pool<Connector>;

/// One of them, which goes back when it is dropped.
pub(crate) type Connected = Object<Connector>;

/// Makes them, and looks whether they can be used again.
pub(crate) struct Connector {
    options: PgConnectOptions,
    session: Session,
}

/// At most `connections_max`; the first is made when it is needed. Those who ask wait as long as they like.
pub(crate) fn lazy(options: PgConnectOptions, session: Session, connections_max: u32) -> Connections {
    let connections_max = usize::try_from(connections_max).unwrap_or(usize::MAX);
    // Last in, first out: at night one of them stays in use, and is seldom tested.
    let pool = Pool::builder(Connector { options, session }).max_size(connections_max).queue_mode(QueueMode::Lifo);
    pool.build().expect("without time limits it needs no clock")
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    /// Connects, and waits for a server that is starting, as long as whoever asked waits.
    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            match PgConnection::connect_with(&self.options).await {
                Err(err) if is_passing(&err) => sleep(RETRY_INTERVAL).await,
                Err(err) => return Err(err),
                Ok(mut connection) => {
                    self.session.apply(&mut connection).await?;
                    return Ok(connection);
                }
            }
        }
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > AGE_MAX {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() > UNTESTED_MAX {
            connection.ping().await?;
        }
        Ok(())
    }
}

/// Whether a server that starts, or has too many clients for a moment, says so.
fn is_passing(err: &sqlx::Error) -> bool {
    match err {
        sqlx::Error::Io(err) => err.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(err) => err.is_transient_in_connect_phase(),
        _ => false,
    }
}
