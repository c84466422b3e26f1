//! On PostgreSQL and MariaDB.

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;

use crate::common::TestPool;

use super::{check_of_size, of_size};

#[tokio::test]
async fn on_postgres() {
    let Some(db) = leash_test_support::postgres().await else {
        return;
    };
    let options = PgPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    check_of_size(&of_size(&pool, 2).await, 2);
}

#[tokio::test]
async fn on_mariadb() {
    let Some(db) = leash_test_support::mysql().await else {
        return;
    };
    let options = MySqlPoolOptions::new().max_connections(2);
    let pool = TestPool::of(options.connect(db.url()).await.unwrap());
    check_of_size(&of_size(&pool, 2).await, 2);
}
