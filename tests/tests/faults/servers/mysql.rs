//! The suite on MariaDB.

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::common::WELL;

type Db = sqlx::MySql;
type ConnectOptions = MySqlConnectOptions;
type PoolOptions = MySqlPoolOptions;

use leash_tests::support::{mysql as database, own_mysql as own_server};

const CREATE: &str = "CREATE TABLE exam (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL) ENGINE = InnoDB";

/// The number of the session, as a BIGINT.
const SESSION: &str = "SELECT CAST(CONNECTION_ID() AS SIGNED)";

/// A row once no session has that number.
const IS_GONE: &str = "SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = ?)";

/// The sessions of this database that run a statement like that.
const WHO_RUNS: &str = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
     WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE ?";

/// Ends a session.
fn kill(session: i64) -> String {
    format!("KILL {session}")
}

/// What holds a commit up for as long as who does this stays: something before the transaction writes, and something after.
const HOLD_COMMITS: [&str; 2] = ["DO 0", "FLUSH TABLES WITH READ LOCK"];

/// Runs for a minute.
const SLEEP: &str = "SELECT SLEEP(60)";

/// More rows than fit into what lies between the server and who reads them.
const ROWS: &str = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000";

/// What a statement ends with that runs when its session is killed.
const KILLED: &[&str; 1] = &["Io UnexpectedEof"];
/// What a statement ends with whose session was killed before.
const KILLED_BEFORE: &[&str; 1] = &["Io UnexpectedEof"];
/// What a statement ends with that runs when its server stops.
const STOPPED: &[&str; 1] = &["Io UnexpectedEof"];
/// What a commit may end with that is held up when its server stops: who holds it up may be the first to go.
const COMMIT_STOPPED: &[&str] = &["Io UnexpectedEof", WELL];

#[path = "killed.rs"]
mod killed;
mod limits;
#[path = "proxied.rs"]
mod proxied;
#[path = "restarted.rs"]
mod restarted;
#[path = "world.rs"]
mod world;
