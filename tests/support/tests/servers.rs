//! The servers, if there are any.

use leash_test_support as support;
use sqlx::{Connection, MySqlConnection, PgConnection};

#[tokio::test]
async fn postgres_gives_every_caller_a_database() {
    let (Some(one), Some(two)) = (support::postgres().await, support::postgres().await) else {
        return;
    };
    for db in [&one, &two] {
        let mut conn = PgConnection::connect(db.url()).await.unwrap();
        let name: String = sqlx::query_scalar("SELECT current_database()")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(name, db.name());
    }
    assert_ne!(one.name(), two.name());
}

#[tokio::test]
async fn mysql_gives_every_caller_a_database() {
    let (Some(one), Some(two)) = (support::mysql().await, support::mysql().await) else {
        return;
    };
    for db in [&one, &two] {
        let mut conn = MySqlConnection::connect(db.url()).await.unwrap();
        let name: String = sqlx::query_scalar("SELECT DATABASE()")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(name, db.name());
    }
    assert_ne!(one.name(), two.name());
}
