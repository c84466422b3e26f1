//! On PostgreSQL.

use sqlx::postgres::{PgConnection, PgPoolOptions, Postgres};
use sqlx::{Connection as _, Executor as _};

type Db = Postgres;
type PoolOptions = PgPoolOptions;

use leash_test_support::{own_postgres as own_server, postgres as database};

/// The server closes the connection after a second without a statement.
const IDLE_LIMIT: &str = "SET idle_session_timeout = '1s'";
/// Named in the help against such limits.
const ITS_LIMIT: &str = "`idle_session_timeout`";
const SLEEP: &str = "SELECT pg_sleep(5)";

#[path = "causes.rs"]
mod causes;
#[path = "quiet.rs"]
mod quiet;

/// Ends the oldest session of the database.
async fn kill_one(url: &str) {
    let mut admin = PgConnection::connect(url).await.unwrap();
    let oldest = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1";
    admin.execute(oldest).await.unwrap();
    admin.close().await.unwrap();
}
