//! Where a pool leads, and the limits that its options set.

use std::time::Duration;

/// The database system. Its methods are the ways in which drivers and servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum System {
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    Sqlite,
    #[default]
    Other,
}

impl System {
    pub(crate) const ALL: [Self; 4] = [Self::Postgres, Self::MySql, Self::Sqlite, Self::Other];

    /// The system of a driver's name or a URL's scheme.
    // Inlined, it is known when the program is compiled: a driver's name is a constant.
    #[inline]
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "PostgreSQL" | "postgres" | "postgresql" => System::Postgres,
            "MySQL" | "mysql" | "mariadb" => System::MySql,
            "SQLite" | "sqlite" => System::Sqlite,
            _ => System::Other,
        }
    }

    /// The name in OpenTelemetry.
    pub(crate) fn name(self) -> &'static str {
        match self {
            System::Postgres => "postgresql",
            System::MySql => "mysql",
            System::Sqlite => "sqlite",
            System::Other => "other_sql",
        }
    }

    /// Whether the database runs in this process, so that a connect never waits for a server.
    pub(crate) fn is_embedded(self) -> bool {
        self == System::Sqlite
    }

    /// Whether a BEGIN in an open transaction changes nothing.
    pub(crate) fn begins_once(self) -> bool {
        matches!(self, System::Postgres | System::Other)
    }

    /// Whether a SAVEPOINT outside of a transaction begins one.
    pub(crate) fn begins_at_savepoint(self) -> bool {
        self == System::Sqlite
    }

    /// Whether a transaction that writes locks the whole database until it ends.
    pub(crate) fn has_one_writer(self) -> bool {
        self == System::Sqlite
    }

    /// Whether the server commits an open transaction before a statement that changes the schema.
    pub(crate) fn commits_on_ddl(self) -> bool {
        self == System::MySql
    }

    /// Whether the driver takes the answer of an operation that was abandoned for that of the next statement.
    pub(crate) fn forgets_abandoned_answers(self) -> bool {
        self == System::MySql
    }

    /// Whether the driver, asked for one row, returns the first and leaves the others unread.
    pub(crate) fn leaves_further_rows(self) -> bool {
        self == System::MySql
    }

    /// How to limit the time of a statement on the server.
    pub(crate) fn statement_limit(self) -> Option<&'static str> {
        match self {
            System::Postgres => Some("`SET statement_timeout = '5s'`"),
            System::MySql => Some(
                "`SET max_statement_time = 5` on MariaDB, `SET max_execution_time = 5000` on MySQL",
            ),
            System::Sqlite | System::Other => None,
        }
    }

    /// Whether the driver rolls back an abandoned BEGIN.
    pub(crate) fn rolls_back_abandoned_begin(self) -> bool {
        self == System::Sqlite
    }

    /// Where the server limits the number of its connections.
    pub(crate) fn connection_limits(self) -> Option<&'static str> {
        match self {
            System::Postgres => Some(
                "`max_connections` of the server, `ALTER ROLE … CONNECTION LIMIT …`, `ALTER DATABASE … CONNECTION LIMIT …`",
            ),
            System::MySql => Some(
                "`SET GLOBAL max_connections = …`, `SET GLOBAL max_user_connections = …`, `ALTER USER … WITH MAX_USER_CONNECTIONS …`",
            ),
            System::Sqlite | System::Other => None,
        }
    }

    /// A query for the number of connections that each user has.
    pub(crate) fn list_of_connections(self) -> Option<&'static str> {
        match self {
            System::Postgres => Some(
                "SELECT usename, datname, application_name, client_addr, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC",
            ),
            System::MySql => Some(
                "SELECT user, host, db, count(*) FROM information_schema.processlist GROUP BY 1, 2, 3 ORDER BY 4 DESC",
            ),
            System::Sqlite | System::Other => None,
        }
    }

    /// The words before a statement that ask for its plan. `numbered` is whether it has parameters that PostgreSQL numbers.
    pub(crate) fn explain(self, numbered: bool) -> &'static str {
        match self {
            System::Sqlite => "EXPLAIN QUERY PLAN",
            // Since version 16, a plan for parameters without values.
            System::Postgres if numbered => "EXPLAIN (GENERIC_PLAN)",
            System::Postgres | System::MySql | System::Other => "EXPLAIN",
        }
    }

    /// A statement that shows who waits for a lock, and for whom.
    pub(crate) fn list_of_waits(self) -> Option<&'static str> {
        match self {
            System::Postgres => Some(
                "SELECT pid, pg_blocking_pids(pid) AS waits_for, state, query FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0",
            ),
            System::MySql => Some("SHOW FULL PROCESSLIST"),
            System::Sqlite | System::Other => None,
        }
    }
}

/// Where a pool leads, without user or password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) system: System,
    /// The name of the driver's connection type in sqlx.
    pub(crate) connection: &'static str,
    /// Host and port, or a file.
    pub(crate) address: String,
    /// The database.
    pub(crate) namespace: Option<String>,
}

impl Endpoint {
    /// Whether `#[sqlx::test]` has made the database. It names databases and files like this.
    pub(crate) fn is_of_test(&self) -> bool {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        namespace.starts_with("_sqlx_test_")
            || (self.system == System::Sqlite && self.address.starts_with("target/sqlx/test-dbs/"))
    }

    /// Whether both lead to one server, to whichever database.
    pub(crate) fn is_on_server_of(&self, other: &Self) -> bool {
        self.system == other.system && self.server() == other.server()
    }

    /// The host or socket of the server, and its port. `None` for a database that has no server.
    pub(crate) fn server_address(&self) -> Option<(&str, Option<u16>)> {
        if self.system.is_embedded() || self.address.is_empty() {
            return None;
        }
        let split = self.address.rsplit_once(':');
        let (host, port) = split
            .and_then(|(host, port)| Some((host, Some(port.parse().ok()?))))
            .unwrap_or((&self.address, None));
        Some((host.trim_matches(['[', ']']), port))
    }

    /// The address in one notation.
    fn server(&self) -> String {
        let default_port = match self.system {
            System::Postgres => "5432",
            System::MySql => "3306",
            System::Sqlite | System::Other => return self.address.clone(),
        };
        let (host, port) = match self.address.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
            _ => (&*self.address, default_port),
        };
        let host = match host.trim_matches(['[', ']']) {
            "127.0.0.1" | "::1" => "localhost",
            host => host,
        };
        format!("{host}:{port}")
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// The limits that a pool's options set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) max_connections: u32,
    pub(crate) min_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    /// Whether the program has set `idle_timeout`, as far as is known.
    pub(crate) sets_idle_timeout: bool,
    pub(crate) tests_before_acquire: bool,
    pub(crate) hooks: Hooks,
}

impl Limits {
    #[cfg(test)]
    pub(crate) fn for_tests(max_connections: u32) -> Self {
        Self {
            max_connections,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(30),
            idle_timeout: None,
            max_lifetime: None,
            sets_idle_timeout: false,
            tests_before_acquire: true,
            hooks: Hooks::LeaveState,
        }
    }

    /// sqlx's default of `idle_timeout`.
    pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
    /// sqlx's default of `max_lifetime`.
    pub(crate) const MAX_LIFETIME: Duration = Duration::from_mins(30);

    /// A wait of this time is a long one: a second, or half of `acquire_timeout` if that is less. A shorter wait says little.
    pub(crate) fn long_wait(&self) -> Duration {
        Duration::from_secs(1).min(self.acquire_timeout / 2)
    }

    /// Whether the pool closes a connection because of its age or its idle time.
    pub(crate) fn replaces_connections(&self) -> bool {
        self.idle_timeout.is_some() || self.max_lifetime.is_some()
    }
}

/// What the hooks of a pool's options may do to the state that a holder leaves on its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Hooks {
    /// No hook runs between two holds.
    LeaveState,
    /// `before_acquire` or `after_release` is set, and may undo it or have the connection closed.
    MayUndo,
    /// The options are plain sqlx's, which does not show its hooks.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_different_notations() {
        let at = |system, address: &str| Endpoint {
            system,
            address: address.to_owned(),
            ..Endpoint::default()
        };
        let one = at(System::Postgres, "localhost:5432");
        for same in ["127.0.0.1:5432", "localhost", "[::1]", "::1:5432"] {
            assert!(one.is_on_server_of(&at(System::Postgres, same)), "{same}");
        }
        for other in ["127.0.0.1:5433", "db:5432", "/run/postgresql"] {
            assert!(
                !one.is_on_server_of(&at(System::Postgres, other)),
                "{other}"
            );
        }
        assert!(!one.is_on_server_of(&at(System::MySql, "localhost:5432")));
    }

    #[test]
    fn the_databases_of_tests_are_known_by_their_names() {
        let at = |system, address: &str, namespace: Option<&str>| Endpoint {
            system,
            address: address.to_owned(),
            namespace: namespace.map(str::to_owned),
            ..Endpoint::default()
        };
        let server = "127.0.0.1:5432";
        assert!(at(System::Postgres, server, Some("_sqlx_test_8fK2")).is_of_test());
        assert!(at(System::Sqlite, "target/sqlx/test-dbs/a/b.sqlite", None).is_of_test());
        assert!(!at(System::Postgres, server, Some("shop")).is_of_test());
        assert!(!at(System::Sqlite, "shop.sqlite", None).is_of_test());
    }
}
