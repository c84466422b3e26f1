//! The suite on MariaDB.

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::common::WELL;

type Db = sqlx::MySql;
type ConnectOptions = MySqlConnectOptions;
type PoolOptions = MySqlPoolOptions;

use leash_tests::support::{mysql as database, own_mysql as own_server};

const CREATE: &str = "CREATE TABLE exam (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL) ENGINE = InnoDB";

/// Selects the id of the session, as a BIGINT.
const SESSION: &str = "SELECT CAST(CONNECTION_ID() AS SIGNED)";

/// Returns a row once no session has that id.
const IS_GONE: &str = "SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = ?)";

/// Selects the sessions of this database that run a statement like that.
const SESSIONS_RUNNING: &str = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
     WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE ?";

/// Ends a session.
fn kill(session: i64) -> String {
    format!("KILL {session}")
}

/// Holds commits up while the session that runs this exists: the first runs before the transaction writes, the second
/// after.
const HOLD_COMMITS: [&str; 2] = ["DO 0", "FLUSH TABLES WITH READ LOCK"];

/// Runs for a minute.
const SLEEP: &str = "SELECT SLEEP(60)";

/// Returns more rows than the buffers between the server and the client hold.
const ROWS: &str = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000";

/// The outcome of a statement that runs when its session is killed.
const KILLED: &[&str; 1] = &["Io UnexpectedEof"];
/// The outcome of a statement whose session was killed before.
const KILLED_BEFORE: &[&str; 1] = &["Io UnexpectedEof"];
/// The outcome of a statement that runs when its server stops.
const STOPPED: &[&str; 1] = &["Io UnexpectedEof"];
/// The outcomes of a held-up commit whose server stops: the session that holds it up may end first.
const COMMIT_STOPPED: &[&str] = &["Io UnexpectedEof", WELL];

#[path = "closed.rs"]
mod closed;
#[path = "health.rs"]
mod health;
#[path = "killed.rs"]
mod killed;
mod limits;
#[path = "proxied.rs"]
mod proxied;
#[path = "restarted.rs"]
mod restarted;
#[path = "world.rs"]
mod world;
