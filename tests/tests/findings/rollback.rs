//! `implicit_rollback`: writes are lost although the function reports no error.

mod bare;
mod certain;
mod failures;
mod levels;
mod likely;
mod savepoints;
mod servers;
mod silent;

use sqlx::SqliteTransaction;
use sqlx::leash::{Certainty, Finding, Level, Lint};

use crate::common::{Place, Says, Tx, only, path_of};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('a')";

/// The only finding is about the transaction begun at `begun`; `function`, declared at `declared`, lost its writes.
#[track_caller]
fn check(found: Vec<Finding>, begun: &Place, wrote: &Place, function: &str, declared: &Place) {
    let found = only(found);
    Says {
        lint: Lint::ImplicitRollback,
        level: Level::Warn,
        certainty: Certainty::Certain,
        primary: begun.clone(),
        function: Some(&format!("findings::{}", path_of(function))),
        title: &["returned without an error, and a transaction that had written was dropped"],
        related: &[
            ("the changes of this statement are lost", wrote.clone()),
            ("dropped in here", declared.clone()),
        ],
        facts: &["last write "],
        help: &["tx.commit().await?", "tx.rollback().await?"],
    }
    .check(&found);
}

/// The only finding is about the transaction begun there, and it is only likely: the note has the reason.
#[track_caller]
fn check_likely(found: Vec<Finding>, begun: &Place, note: &str) {
    let found = only(found);
    assert_eq!(found.lint, Lint::ImplicitRollback);
    assert_eq!(Place::from(&found.primary), *begun);
    assert_eq!(found.certainty, Certainty::Likely, "{}", found.render());
    assert!(found.notes[0].contains(note), "{}", found.render());
}

async fn refuses(mut tx: Tx) -> Result<(), &'static str> {
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    Err("not today")
}

/// Code without the attribute.
async fn fails(tx: &mut SqliteTransaction<'_>) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO exam (name) VALUES (NULL)")
        .execute(&mut **tx)
        .await
        .map(drop)
}
