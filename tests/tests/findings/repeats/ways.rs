//! Each way in which a statement is sent.

use std::sync::Arc;

use futures::TryStreamExt;
use sqlx::leash::{self, ScopeExt};
use sqlx::{Acquire, Any, AnyPool, Executor, Sqlite, SqliteConnection};

use super::*;

const BY_ID: &str = "SELECT name FROM exam WHERE id = ?";

/// The only finding is a certain `n_plus_one` at the query of this marker.
#[track_caller]
fn check_at(found: Vec<Finding>, marker: &str, method: &str) {
    check(found, Lint::NPlusOne, Certain, &marked(marker, method));
}

#[tokio::test]
async fn in_a_transaction() {
    #[track]
    async fn all(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?;
        for id in 0..12_i64 {
            let query = sqlx::query(BY_ID).bind(id);
            query.fetch_all(&mut *tx).await?; // @tx
        }
        tx.commit().await
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    check_at(found, "tx", "fetch_all");
}

#[tokio::test]
async fn on_a_lent_connection() {
    #[track]
    async fn one(conn: &mut SqliteConnection, id: i64) -> sqlx::Result<()> {
        sqlx::query(BY_ID)
            .bind(id)
            .fetch_optional(conn) // @lent
            .await?;
        Ok(())
    }
    #[track]
    async fn all(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        for id in 0..12 {
            one(&mut conn, id).await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    check_at(found, "lent", "fetch_optional");
}

#[tokio::test]
async fn by_generic_executors() {
    #[track]
    async fn one<'e, E: Executor<'e, Database = Sqlite>>(db: E, id: i64) -> sqlx::Result<()> {
        sqlx::query(BY_ID)
            .bind(id)
            .fetch_optional(db) // @generic
            .await?;
        Ok(())
    }
    #[track]
    async fn of_the_pool(pool: &SqlitePool) -> sqlx::Result<()> {
        for id in 0..12 {
            one(pool, id).await?;
        }
        Ok(())
    }
    #[track]
    async fn of_a_connection(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        for id in 0..12 {
            one(&mut *conn, id).await?;
        }
        Ok(())
    }
    #[track]
    async fn of_a_plain_connection(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut conn = pool.acquire().await?;
        let plain: &mut SqliteConnection = &mut conn;
        for id in 0..12 {
            one(&mut *plain, id).await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (_, found) = findings(of_the_pool(&pool)).await;
    check_at(found, "generic", "fetch_optional");
    let (_, found) = findings(of_a_connection(&pool)).await;
    check_at(found, "generic", "fetch_optional");
    let (_, found) = findings(of_a_plain_connection(&pool)).await;
    check_at(found, "generic", "fetch_optional");
}

#[tokio::test]
async fn by_what_can_be_acquired() {
    #[track]
    async fn one<'a, A: Acquire<'a, Database = Sqlite>>(db: A, id: i64) -> sqlx::Result<()> {
        let mut conn = db.acquire().await?;
        sqlx::query(BY_ID)
            .bind(id)
            .fetch_optional(&mut **conn) // @acquired
            .await?;
        Ok(())
    }
    #[track]
    async fn all(pool: &SqlitePool) -> sqlx::Result<()> {
        for id in 0..12 {
            one(pool, id).await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    check_at(found, "acquired", "fetch_optional");
}

#[tokio::test]
async fn behind_a_trait() {
    #[async_trait::async_trait]
    trait Exams: Send + Sync {
        async fn name(&self, id: i64) -> sqlx::Result<Option<String>>;
    }
    struct Stored(SqlitePool);
    #[track]
    #[async_trait::async_trait]
    impl Exams for Stored {
        async fn name(&self, id: i64) -> sqlx::Result<Option<String>> {
            let query = sqlx::query_scalar(BY_ID).bind(id);
            query.fetch_optional(&self.0).await // @trait
        }
    }
    #[track]
    async fn all(exams: Arc<dyn Exams>) -> sqlx::Result<()> {
        for id in 0..12 {
            exams.name(id).await?; // @trait await
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(Arc::new(Stored(pool.clone())))).await;
    done.unwrap();
    // Its future is polled in the box that the trait asks for. The loop is seen all the same.
    let query = marked("trait", "fetch_optional");
    let found = check(found, Lint::NPlusOne, Certain, &query);
    is_labelled(
        &found,
        &marked("trait await", "await"),
        "name is awaited here",
    );
}

#[tokio::test]
async fn in_tasks_that_carry_the_scope() {
    #[track]
    async fn all(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut tasks = tokio::task::JoinSet::new();
        for id in 0..12 {
            let pool = pool.clone();
            tasks.spawn(async move { lookup(&pool, id).await }.in_current_scope());
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap()?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    let found = only(found);
    assert_eq!(found.lint, Lint::NPlusOne, "{}", found.render());
    assert_eq!(Place::from(&found.primary), at_lookup());
}

#[tokio::test]
async fn by_streams() {
    #[track]
    async fn all(pool: &SqlitePool) -> sqlx::Result<()> {
        for id in 0..12_i64 {
            let query = sqlx::query(BY_ID).bind(id);
            let rows = query.fetch(pool); // @stream
            rows.try_collect::<Vec<_>>().await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    check_at(found, "stream", "fetch");
}

#[tokio::test]
async fn in_a_named_scope() {
    let pool = exams(1).await;
    let (done, found) = findings(leash::scope("request", async {
        for id in 0..12 {
            lookup(&pool, id).await?;
        }
        Ok::<_, sqlx::Error>(())
    }))
    .await;
    done.unwrap();
    let found = only(found);
    assert_eq!(found.lint, Lint::NPlusOne, "{}", found.render());
    assert!(
        found.title.contains("in one call of request"),
        "{}",
        found.render()
    );
}

#[tokio::test]
async fn in_what_a_test_wraps() {
    let pool = exams(1).await;
    let ((), found) = findings(async {
        for id in 0..12_i64 {
            let query = sqlx::query(BY_ID).bind(id);
            query.fetch_all(&*pool).await.unwrap();
        }
    })
    .await;
    let found = only(found);
    assert_eq!(found.lint, Lint::NPlusOne, "{}", found.render());
}

#[track]
async fn a_test_that_is_tracked_itself(pool: &SqlitePool) -> Vec<Finding> {
    let ((), found) = findings(async {
        for id in 0..12_i64 {
            let query = sqlx::query(BY_ID).bind(id);
            query.fetch_all(pool).await.unwrap();
        }
    })
    .await;
    found
}

#[tokio::test]
async fn in_what_a_tracked_test_wraps() {
    let pool = exams(1).await;
    let (found, outside) = findings(a_test_that_is_tracked_itself(&pool)).await;
    assert_eq!(only(found).lint, Lint::NPlusOne);
    crate::common::assert_none(&outside);
}

#[tokio::test]
async fn through_any() {
    #[track]
    async fn all(pool: &AnyPool) -> sqlx::Result<()> {
        for id in 0..12_i64 {
            let query =
                sqlx::query::<Any>("SELECT 1 FROM sqlite_schema WHERE rootpage = ?").bind(id);
            query.fetch_all(pool).await?; // @any
        }
        Ok(())
    }
    sqlx::any::install_default_drivers();
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("any").display()
    );
    let pool = AnyPool::connect(&url).await.unwrap();
    let (done, found) = findings(all(&pool)).await;
    done.unwrap();
    check_at(found, "any", "fetch_all");
}
