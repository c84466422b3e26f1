//! Properties of sqlx's own databases that sqlx's traits do not have.
//!
//! They are found by a downcast, so that code generic over the database needs no further bound. The compiler resolves
//! each downcast when it compiles for a database.

use std::any::Any;

use sqlx::{ColumnIndex, Database, Decode, Row};

#[cfg(feature = "_sqlite")]
use super::in_memory::sqlite;
use crate::pool_state::endpoint::{Endpoint, System};
#[cfg(feature = "_sqlite")]
use crate::pool_state::in_memory::InMemory;

/// The connect options of a database.
pub(super) type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// The database system of a driver.
pub(super) fn system<DB: Database>() -> System {
    System::named(DB::NAME)
}

/// The database system that a connection is of. The type `Any` does not show it.
pub(super) fn system_of<DB: Database>(connection: &DB::Connection) -> System {
    #[cfg(feature = "any")]
    {
        let connection: &dyn Any = connection;
        if let Some(any) = connection.downcast_ref::<sqlx::AnyConnection>() {
            return System::named(any.backend_name());
        }
    }
    let _ = connection;
    system::<DB>()
}

/// The number of rows affected; 0 of a driver that is not known.
pub(super) fn rows_affected<DB: Database>(result: &DB::QueryResult) -> u64 {
    let result: &dyn Any = result;
    #[cfg(feature = "postgres")]
    if let Some(result) = result.downcast_ref::<sqlx::postgres::PgQueryResult>() {
        return result.rows_affected();
    }
    #[cfg(feature = "mysql")]
    if let Some(result) = result.downcast_ref::<sqlx::mysql::MySqlQueryResult>() {
        return result.rows_affected();
    }
    #[cfg(feature = "_sqlite")]
    if let Some(result) = result.downcast_ref::<sqlx::sqlite::SqliteQueryResult>() {
        return result.rows_affected();
    }
    #[cfg(feature = "any")]
    if let Some(result) = result.downcast_ref::<sqlx::any::AnyQueryResult>() {
        return result.rows_affected();
    }
    let _ = result;
    0
}

/// The endpoint that connect options lead to, without user or password.
pub(super) fn endpoint<DB: Database>(options: &OptionsOf<DB>) -> Endpoint {
    let options: &dyn Any = options;
    #[cfg(feature = "postgres")]
    if let Some(options) = options.downcast_ref::<sqlx::postgres::PgConnectOptions>() {
        return Endpoint {
            system: System::Postgres,
            connection: "PgConnection",
            address: options.get_socket().map_or_else(
                || format!("{}:{}", options.get_host(), options.get_port()),
                |socket| socket.display().to_string(),
            ),
            namespace: Some(
                options
                    .get_database()
                    .unwrap_or(options.get_username())
                    .to_owned(),
            ),
        };
    }
    #[cfg(feature = "mysql")]
    if let Some(options) = options.downcast_ref::<sqlx::mysql::MySqlConnectOptions>() {
        return Endpoint {
            system: System::MySql,
            connection: "MySqlConnection",
            address: options.get_socket().map_or_else(
                || format!("{}:{}", options.get_host(), options.get_port()),
                |socket| socket.display().to_string(),
            ),
            namespace: options.get_database().map(str::to_owned),
        };
    }
    #[cfg(feature = "_sqlite")]
    if let Some(options) = options.downcast_ref::<sqlx::sqlite::SqliteConnectOptions>() {
        return Endpoint {
            system: System::Sqlite,
            connection: "SqliteConnection",
            address: sqlite_address(options),
            namespace: None,
        };
    }
    #[cfg(feature = "any")]
    if let Some(options) = options.downcast_ref::<sqlx::any::AnyConnectOptions>() {
        return any_endpoint(&options.database_url);
    }
    let _ = options;
    Endpoint {
        system: system::<DB>(),
        connection: "DB::Connection",
        address: DB::NAME.to_owned(),
        namespace: None,
    }
}

/// The user of connect options, if the database has users.
pub(super) fn user<DB: Database>(options: &OptionsOf<DB>) -> Option<String> {
    // The name of an SQLite file may be no part of a valid URL, at which sqlx panics.
    if matches!(
        endpoint::<DB>(options).system,
        System::Sqlite | System::Other
    ) {
        return None;
    }
    let url = sqlx::ConnectOptions::to_url_lossy(options);
    Some(url.username().to_owned())
}

/// The connect options without those that would create a database.
pub(super) fn only_read<DB: Database>(options: &OptionsOf<DB>) -> OptionsOf<DB> {
    let mut options = options.clone();
    let any: &mut dyn Any = &mut options;
    #[cfg(feature = "_sqlite")]
    if let Some(sqlite) = any.downcast_mut::<sqlx::sqlite::SqliteConnectOptions>() {
        *sqlite = sqlite.clone().create_if_missing(false);
    }
    #[cfg(feature = "any")]
    if let Some(any) = any.downcast_mut::<sqlx::any::AnyConnectOptions>() {
        let url = &mut any.database_url;
        if System::named(url.scheme()) == System::Sqlite
            && let Some(query) = url
                .query()
                .map(|query| query.replace("mode=rwc", "mode=rw"))
        {
            url.set_query(Some(&query));
        }
    }
    let _ = any;
    options
}

/// The name of the type of a pool's options.
pub(super) fn options_type(endpoint: &Endpoint) -> &'static str {
    match endpoint.connection {
        "PgConnection" => "PgPoolOptions",
        "MySqlConnection" => "MySqlPoolOptions",
        "SqliteConnection" => "SqlitePoolOptions",
        "AnyConnection" => "AnyPoolOptions",
        _ => "PoolOptions",
    }
}

/// The columns of a row of texts; none of a driver that is not known.
pub(super) fn texts<DB: Database>(row: &DB::Row) -> Vec<Option<String>> {
    let row: &dyn Any = row;
    #[cfg(feature = "postgres")]
    if let Some(row) = row.downcast_ref::<sqlx::postgres::PgRow>() {
        return columns(row);
    }
    #[cfg(feature = "mysql")]
    if let Some(row) = row.downcast_ref::<sqlx::mysql::MySqlRow>() {
        return columns(row);
    }
    #[cfg(feature = "_sqlite")]
    if let Some(row) = row.downcast_ref::<sqlx::sqlite::SqliteRow>() {
        return columns(row);
    }
    #[cfg(feature = "any")]
    if let Some(row) = row.downcast_ref::<sqlx::any::AnyRow>() {
        return columns(row);
    }
    let _ = row;
    Vec::new()
}

#[cfg_attr(
    not(any(
        feature = "postgres",
        feature = "mysql",
        feature = "_sqlite",
        feature = "any"
    )),
    allow(dead_code, reason = "each database reads its rows by it")
)]
fn columns<R: Row>(row: &R) -> Vec<Option<String>>
where
    usize: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database>,
{
    let columns = 0..row.columns().len();
    // Unchecked: servers declare some texts as binary.
    columns
        .map(|column| row.try_get_unchecked(column).ok().flatten())
        .collect()
}

#[cfg(feature = "_sqlite")]
fn sqlite_address(options: &sqlx::sqlite::SqliteConnectOptions) -> String {
    let file = options.get_filename().display().to_string();
    match sqlite::of_options(options) {
        Some(InMemory::Temporary) => "temporary".to_owned(),
        Some(InMemory::OfConnection) => ":memory:".to_owned(),
        // sqlx generates a name for each in-memory database, which would mean nothing to a reader.
        _ if file.contains("sqlx-in-memory-") => ":memory:".to_owned(),
        _ => file,
    }
}

#[cfg(feature = "any")]
fn any_endpoint(url: &sqlx_core::Url) -> Endpoint {
    let system = System::named(url.scheme());
    match url.host_str() {
        Some(host) if !system.is_embedded() => Endpoint {
            system,
            connection: "AnyConnection",
            address: url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            namespace: Some(url.path().trim_start_matches('/').to_owned())
                .filter(|path| !path.is_empty()),
        },
        host => Endpoint {
            system,
            connection: "AnyConnection",
            address: format!("{}{}", host.unwrap_or_default(), url.path()),
            namespace: None,
        },
    }
}
