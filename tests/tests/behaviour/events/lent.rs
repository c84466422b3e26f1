//! A statement that a helper sends on a connection that it was lent is one of that connection's pool.

use sqlx::{PgConnection, PgPool, Postgres, SqliteConnection, SqlitePool, track};

use crate::common::{TestPool, pool};

use super::Collected;

const HELPERS: &str = "events::lent";

#[track]
async fn on_pg(conn: &mut PgConnection) {
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
}

#[track]
async fn through_another(conn: &mut PgConnection) {
    on_pg(conn).await;
}

#[track]
async fn in_a_transaction(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    on_pg(&mut tx).await;
    through_another(&mut tx).await;
    tx.commit().await.unwrap();
}

#[track]
async fn on_sqlite(conn: &mut SqliteConnection) {
    sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
}

#[track]
async fn in_its_caller(pool: &SqlitePool) {
    let mut conn = pool.acquire().await.unwrap();
    on_sqlite(&mut conn).await;
}

#[tokio::test]
async fn on_postgresql_it_has_pool_and_namespace() {
    let Some(db) = leash_tests::support::postgres().await else {
        return;
    };
    let connected = PgPool::connect(db.url()).await.unwrap();
    let namespace = db.name().to_owned();
    let pool: TestPool<Postgres> = TestPool::new(connected, db);
    let (collected, _guard) = Collected::start();
    // From a tracked function, and from code without the attribute.
    in_a_transaction(&pool).await;
    on_pg(&mut pool.acquire().await.unwrap()).await;
    let queries = collected.queries_of(&format!("{HELPERS}::on_pg"));
    assert_eq!(queries.len(), 3, "{queries:#?}");
    for query in queries {
        assert_eq!(query.field("db.client.connection.pool.name"), pool.name());
        assert_eq!(query.field("db.namespace"), namespace);
        assert_eq!(query.field("db.system.name"), "postgresql");
    }
}

#[tokio::test]
async fn on_sqlite_it_has_its_pool() {
    let pool = pool().await;
    let (collected, _guard) = Collected::start();
    in_its_caller(&pool).await;
    on_sqlite(&mut pool.acquire().await.unwrap()).await;
    let queries = collected.queries_of(&format!("{HELPERS}::on_sqlite"));
    assert_eq!(queries.len(), 2, "{queries:#?}");
    for query in queries {
        assert_eq!(query.field("db.client.connection.pool.name"), pool.name());
    }
}
