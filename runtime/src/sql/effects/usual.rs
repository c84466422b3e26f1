//! Values that a connection has anyway: sqlx sets them when it connects, or they are the databases' own.
//!
//! Who sets such a value puts the setting back, or sets nothing.

const ON: &[&str] = &["ON", "1", "TRUE", "YES"];
const OFF: &[&str] = &["OFF", "0", "FALSE", "NO"];

/// Settings of PostgreSQL, MySQL and MariaDB.
///
/// A limit of time is not among them: 0 is no limit, and who writes it has another one set for the connections.
const SETTINGS: [(&str, &[&str]); 17] = [
    // sqlx sets these when it connects.
    ("timezone", &["UTC", "Etc/UTC", "0"]),
    ("client_encoding", &["UTF8", "utf8mb4"]),
    ("datestyle", &["ISO", "ISO, MDY"]),
    ("time_zone", &["+00:00"]),
    ("character_set", &["utf8mb4"]),
    // A statement that needs another value is often followed by one of these.
    (
        "search_path",
        &["public", "\"$user\", public", "\"$user\",public"],
    ),
    ("session_replication_role", &["origin"]),
    ("row_security", ON),
    ("standard_conforming_strings", ON),
    ("default_transaction_read_only", OFF),
    ("transaction_read_only", OFF),
    ("autocommit", ON),
    ("foreign_key_checks", ON),
    ("unique_checks", ON),
    ("sql_log_bin", ON),
    ("sql_notes", ON),
    ("sql_safe_updates", OFF),
];

/// The PRAGMAs that change a connection alone, with their usual value. The others change the file, or only read.
const PRAGMAS: [(&str, &[&str]); 32] = [
    // sqlx sets these when it connects.
    ("foreign_keys", ON),
    ("busy_timeout", &["5000"]),
    // SQLite's own.
    ("analysis_limit", &["0"]),
    ("automatic_index", ON),
    ("cache_size", &["-2000"]),
    ("cache_spill", ON),
    ("case_sensitive_like", OFF),
    ("cell_size_check", OFF),
    ("checkpoint_fullfsync", OFF),
    ("count_changes", OFF),
    ("empty_result_callbacks", OFF),
    ("full_column_names", OFF),
    ("fullfsync", OFF),
    ("ignore_check_constraints", OFF),
    // Of its values, only WAL is kept in the file. DELETE ends it.
    ("journal_mode", &["WAL", "DELETE"]),
    ("journal_size_limit", &["-1"]),
    ("legacy_alter_table", OFF),
    ("locking_mode", &["NORMAL"]),
    ("max_page_count", &[]),
    ("mmap_size", &["0"]),
    ("query_only", OFF),
    ("read_uncommitted", OFF),
    ("recursive_triggers", OFF),
    ("reverse_unordered_selects", OFF),
    ("secure_delete", OFF),
    ("short_column_names", ON),
    ("synchronous", &["FULL", "2"]),
    ("temp_store", &["DEFAULT", "0"]),
    ("threads", &["0"]),
    ("trusted_schema", ON),
    ("wal_autocheckpoint", &["1000"]),
    ("writable_schema", &["OFF", "0", "FALSE", "NO", "RESET"]),
];

fn find(
    table: &[(&'static str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    let (_, values) = table.iter().find(|(it, _)| it.eq_ignore_ascii_case(name))?;
    Some(values)
}

/// Whether a connection has this value of a setting anyway.
pub(super) fn is_usual_setting(name: &str, value: &str) -> bool {
    let is_unset = name.contains('.') && value.is_empty();
    is_unset || is_one_of(find(&SETTINGS, name).unwrap_or_default(), value)
}

/// The usual values of a PRAGMA that changes the connection alone.
pub(super) fn of_pragma(name: &str) -> Option<&'static [&'static str]> {
    find(&PRAGMAS, name)
}

/// Whether a value is one of these, whatever its case.
pub(super) fn is_one_of(values: &[&str], value: &str) -> bool {
    values.iter().any(|it| it.eq_ignore_ascii_case(value))
}
