//! A connection that is lent as a plain one: whose statements they are, and when the loan is over.

mod ends;
mod judged;
mod sent;

use sqlx::{SqliteConnection, track};

use crate::common::{Place, marked};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('a')";

/// The usual helper.
#[track]
async fn inserts(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(conn).await?; // @insert
    Ok(())
}

/// The place of its statement.
fn insert() -> Place {
    marked("insert", "execute")
}

/// Code without the attribute: what it does is not seen.
async fn unseen(conn: &mut SqliteConnection) {
    sqlx::query("SELECT 1").execute(conn).await.unwrap();
}
