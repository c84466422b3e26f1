//! PRAGMAs of a connection.

use super::super::{Key, Kind, Undo};
use super::{all_set, all_undo, none};

#[test]
fn pragmas_of_a_connection() {
    all_set(
        &["Pragma: PRAGMA foreign_keys"],
        &[
            "PRAGMA foreign_keys = OFF",
            "pragma foreign_keys=0;",
            "PRAGMA foreign_keys(off)",
            "PRAGMA main.foreign_keys = 'false'",
            "PRAGMA \"foreign_keys\" = no",
        ],
    );
    for (sql, label) in [
        ("PRAGMA busy_timeout = 100", "Pragma: PRAGMA busy_timeout"),
        ("PRAGMA synchronous = OFF", "Pragma: PRAGMA synchronous"),
        ("PRAGMA cache_size = -64000", "Pragma: PRAGMA cache_size"),
        ("PRAGMA temp_store = MEMORY", "Pragma: PRAGMA temp_store"),
        (
            "PRAGMA locking_mode = EXCLUSIVE",
            "Pragma: PRAGMA locking_mode",
        ),
        ("PRAGMA query_only = 1", "Pragma: PRAGMA query_only"),
        (
            "PRAGMA read_uncommitted = true",
            "Pragma: PRAGMA read_uncommitted",
        ),
        (
            "PRAGMA case_sensitive_like(1)",
            "Pragma: PRAGMA case_sensitive_like",
        ),
        ("PRAGMA mmap_size = 268435456", "Pragma: PRAGMA mmap_size"),
        (
            "PRAGMA journal_mode = MEMORY",
            "Pragma: PRAGMA journal_mode",
        ),
        (
            "PRAGMA writable_schema = ON",
            "Pragma: PRAGMA writable_schema",
        ),
        (
            "PRAGMA trusted_schema = OFF",
            "Pragma: PRAGMA trusted_schema",
        ),
        (
            "PRAGMA secure_delete = FAST",
            "Pragma: PRAGMA secure_delete",
        ),
        (
            "PRAGMA ignore_check_constraints = yes",
            "Pragma: PRAGMA ignore_check_constraints",
        ),
        (
            "PRAGMA legacy_alter_table = ON",
            "Pragma: PRAGMA legacy_alter_table",
        ),
        (
            "PRAGMA recursive_triggers = on",
            "Pragma: PRAGMA recursive_triggers",
        ),
    ] {
        all_set(&[label], &[sql]);
    }
}

#[test]
fn pragmas_that_are_put_back_or_set_nothing() {
    let pragma = |name: &str| Undo::One(Kind::Pragma, Some(Key::of(name)));
    all_undo(
        pragma("foreign_keys"),
        &[
            "PRAGMA foreign_keys = ON",
            "PRAGMA foreign_keys = 1",
            "pragma FOREIGN_KEYS(true)",
            "PRAGMA foreign_keys = 'yes'",
        ],
    );
    all_undo(pragma("query_only"), &["PRAGMA query_only = OFF"]);
    all_undo(
        pragma("journal_mode"),
        &[
            "PRAGMA journal_mode = WAL",
            "PRAGMA main.journal_mode=delete",
        ],
    );
    all_undo(
        pragma("writable_schema"),
        &["PRAGMA writable_schema = RESET"],
    );
    none(&[
        "PRAGMA foreign_keys",
        "PRAGMA foreign_key_check",
        "PRAGMA table_info(a)",
        "PRAGMA table_info = a",
        "PRAGMA user_version = 5",
        "PRAGMA application_id = 5",
        "PRAGMA page_size = 4096",
        "PRAGMA auto_vacuum = 1",
        "PRAGMA encoding = 'UTF-8'",
        "PRAGMA optimize",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA integrity_check(5)",
        "PRAGMA incremental_vacuum(5)",
        "PRAGMA schema_version",
        "PRAGMA journal_mode",
        "PRAGMA defer_foreign_keys = ON",
        "SELECT * FROM pragma_foreign_keys",
        "PRAGMA",
    ]);
}
