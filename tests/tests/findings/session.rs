//! `session_state`: a connection goes back to its pool with what a statement's text has set.

mod hooks;
mod levels;
mod many_texts;
mod mariadb;
mod open;
mod postgres;
mod renewed;
mod sqlite;
mod through_pool;
mod truth;
mod ways;

use sqlx::leash::{Certainty, Finding, Lint};

use crate::common::only;

/// Sends the texts one after the other on one connection of the pool, in a function of their own, and evaluates to the
/// findings. A text may be followed by a value to bind.
macro_rules! sent {
    ($db:ty, $pool:expr, $($text:literal $(<- $value:literal)?),+ $(,)?) => {{
        #[sqlx::track]
        async fn sends(pool: &sqlx::Pool<$db>) -> sqlx::Result<()> {
            let mut conn = pool.acquire().await?;
            $(sqlx::query($text)$(.bind($value))?.execute(&mut *conn).await?;)+
            Ok(())
        }
        let pool = &$pool;
        let (sent, found) = sqlx::leash::testing::findings(sends(pool)).await;
        sent.unwrap();
        found
    }};
}

/// The same with one text of several statements.
macro_rules! sent_raw {
    ($db:ty, $pool:expr, $text:literal) => {{
        #[sqlx::track]
        async fn sends(pool: &sqlx::Pool<$db>) -> sqlx::Result<()> {
            let mut conn = pool.acquire().await?;
            sqlx::raw_sql($text).execute(&mut *conn).await?;
            Ok(())
        }
        let pool = &$pool;
        let (sent, found) = sqlx::leash::testing::findings(sends(pool)).await;
        sent.unwrap();
        found
    }};
}

/// The same, where the text is sent to the pool itself.
macro_rules! sent_to_pool {
    ($db:ty, $pool:expr, $text:literal $(<- $value:literal)?) => {{
        #[sqlx::track]
        async fn sends(pool: &sqlx::Pool<$db>) -> sqlx::Result<()> {
            sqlx::query($text)$(.bind($value))?.execute(pool).await?;
            Ok(())
        }
        let pool = &$pool;
        let (sent, found) = sqlx::leash::testing::findings(sends(pool)).await;
        sent.unwrap();
        found
    }};
}

pub(crate) use {sent, sent_raw, sent_to_pool};

/// The only finding is of this lint, likely, and says this.
#[track_caller]
fn check(found: Vec<Finding>, says: &str, helps: &str) -> Finding {
    let found = only(found);
    let all = found.render();
    assert_eq!(found.lint, Lint::SessionState, "{all}");
    assert_eq!(found.certainty, Certainty::Likely, "{all}");
    assert!(
        found.title.contains(says),
        "no `{says}` in the title:\n{all}"
    );
    assert!(
        found.help.iter().any(|help| help.contains(helps)),
        "no help `{helps}`:\n{all}"
    );
    found
}
