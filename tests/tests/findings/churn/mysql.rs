//! On MariaDB.

use sqlx::mysql::{MySql, MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

type Db = MySql;
type PoolOptions = MySqlPoolOptions;

use leash_test_support::{mysql as database, own_mysql as own_server};

/// The server closes the connection after a second without a statement.
const IDLE_LIMIT: &str = "SET SESSION wait_timeout = 1";
/// Named in the help against such limits.
const ITS_LIMIT: &str = "`wait_timeout`";
const SLEEP: &str = "SELECT SLEEP(5)";

#[path = "causes.rs"]
mod causes;
#[path = "quiet.rs"]
mod quiet;

/// Ends the oldest session of the database.
async fn kill_one(url: &str) {
    let mut admin = MySqlConnection::connect(url).await.unwrap();
    let oldest = "SELECT id FROM information_schema.processlist \
         WHERE db = database() AND id <> connection_id() ORDER BY id LIMIT 1";
    let oldest: i64 = sqlx::query_scalar(oldest)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    let kill = AssertSqlSafe(format!("KILL {oldest}"));
    admin.execute(kill).await.unwrap();
    admin.close().await.unwrap();
}
