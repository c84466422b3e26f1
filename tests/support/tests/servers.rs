//! Tests on the servers that are available.

use leash_test_support as support;
use sqlx::{Connection, MySqlConnection, PgConnection};

#[tokio::test]
async fn postgres_creates_a_database_for_every_caller() {
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
async fn mysql_creates_a_database_for_every_caller() {
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

#[tokio::test]
async fn an_own_server_keeps_its_data_when_it_is_stopped_and_started() {
    if let Some(mut server) = support::own_postgres().await {
        let mut conn = PgConnection::connect(server.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE kept ()")
            .execute(&mut conn)
            .await
            .unwrap();
        server.stop().await;
        PgConnection::connect(server.url()).await.unwrap_err();
        server.start().await;
        let mut conn = PgConnection::connect(server.url()).await.unwrap();
        sqlx::raw_sql("TABLE kept")
            .execute(&mut conn)
            .await
            .unwrap();
    }
    if let Some(mut server) = support::own_mysql().await {
        let mut conn = MySqlConnection::connect(server.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE kept (id INT)")
            .execute(&mut conn)
            .await
            .unwrap();
        server.stop().await;
        MySqlConnection::connect(server.url()).await.unwrap_err();
        server.start().await;
        let mut conn = MySqlConnection::connect(server.url()).await.unwrap();
        sqlx::raw_sql("SELECT * FROM kept")
            .execute(&mut conn)
            .await
            .unwrap();
    }
}
