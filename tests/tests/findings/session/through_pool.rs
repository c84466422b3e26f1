//! A text that was sent to the pool itself.

use sqlx::Sqlite;
use sqlx::leash::Certainty;

use crate::common::{Place, assert_none, connect, marked, only, options, pool};

use super::{check, sent_to_pool};

#[sqlx::track]
async fn switches_keys_on(pool: &sqlx::SqlitePool) -> sqlx::Result<u64> {
    sqlx::query("PRAGMA foreign_keys = OFF")
        .execute(pool) // @through the pool
        .await?;
    let deleted = sqlx::query("DELETE FROM exam").execute(pool).await?;
    Ok(deleted.rows_affected())
}

#[tokio::test]
async fn reaches_one_connection() {
    let pool = pool().await;
    let (done, found) = sqlx::leash::testing::findings(switches_keys_on(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        "sends the setting `PRAGMA foreign_keys` through pool",
        "SqliteConnectOptions::foreign_keys(…)",
    );
    assert_eq!(
        Place::from(&found.primary),
        marked("through the pool", "execute")
    );
    assert!(
        found
            .title
            .contains("the next statement may run on another"),
        "{}",
        found.title
    );
    assert!(
        found
            .help
            .iter()
            .any(|help| help.contains("pool.acquire()")),
        "{}",
        found.render()
    );
}

#[tokio::test]
async fn as_a_stream_or_a_row() {
    #[sqlx::track]
    async fn one(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        sqlx::query("PRAGMA temp_store = 2")
            .fetch_optional(pool)
            .await
            .map(drop)
    }
    #[sqlx::track]
    async fn all(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        sqlx::query("PRAGMA temp_store = 2")
            .fetch_all(pool)
            .await
            .map(drop)
    }
    #[sqlx::track]
    async fn raw(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        sqlx::raw_sql("SELECT 1; PRAGMA temp_store = 2")
            .execute(pool)
            .await
            .map(drop)
    }
    #[sqlx::track]
    async fn streams(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        use futures::TryStreamExt;
        let mut rows = sqlx::query("PRAGMA temp_store = 2").fetch(pool);
        while rows.try_next().await?.is_some() {}
        Ok(())
    }
    let pool = pool().await;
    for (done, found) in [
        sqlx::leash::testing::findings(one(&pool)).await,
        sqlx::leash::testing::findings(all(&pool)).await,
        sqlx::leash::testing::findings(raw(&pool)).await,
        sqlx::leash::testing::findings(streams(&pool)).await,
    ] {
        done.unwrap();
        check(
            found,
            "sends the setting `PRAGMA temp_store`",
            "pragma(\"temp_store\"",
        );
    }
}

#[tokio::test]
async fn the_net_effect_counts() {
    #[sqlx::track]
    async fn sends(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
        let text = "PRAGMA foreign_keys = OFF; DELETE FROM exam; PRAGMA foreign_keys = ON";
        sqlx::raw_sql(text).execute(pool).await.map(drop)
    }
    let pool = pool().await;
    let (done, found) = sqlx::leash::testing::findings(sends(&pool)).await;
    done.unwrap();
    assert_none(&found);
    assert_none(&sent_to_pool!(Sqlite, pool, "PRAGMA user_version = 3"));
    assert_none(&sent_to_pool!(Sqlite, pool, "PRAGMA foreign_keys"));
}

#[tokio::test]
async fn in_a_pool_of_one() {
    let stays = connect(options(1)).await;
    assert_none(&sent_to_pool!(Sqlite, stays, "PRAGMA cache_size = 40"));
    let replaced = connect(options(1).max_lifetime(std::time::Duration::from_mins(30))).await;
    let found = only(sent_to_pool!(Sqlite, replaced, "PRAGMA cache_size = 50"));
    assert_eq!(found.certainty, Certainty::Likely);
    assert!(
        found.title.contains("when it replaces its only connection"),
        "{}",
        found.title
    );
}
