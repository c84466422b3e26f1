//! Free functions.

#![deny(warnings, rust_2018_idioms)]

use std::fmt::Debug;

use sqlx::{SqliteConnection, SqlitePool, track};

#[track]
async fn nothing() {}

#[track()]
async fn a_number() -> u8 {
    1
}

#[track]
#[rustfmt::skip]
async fn on_one_line() -> u8 { 1 }

/// Documented.
#[track]
pub async fn one_query(pool: &SqlitePool, id: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT ?")
        .bind(id)
        .fetch_one(pool)
        .await
}

#[track]
pub(crate) async fn an_early_return(conn: &mut SqliteConnection, id: i64) -> sqlx::Result<i64> {
    sqlx::query("SELECT 1").execute(&mut *conn).await?;
    if id > 3 {
        return Err(sqlx::Error::RowNotFound);
    }
    sqlx::query_scalar("SELECT 2").fetch_one(conn).await
}

#[track]
async fn elided(name: &str, _pool: &SqlitePool) -> sqlx::Result<String> {
    tokio::task::yield_now().await;
    Ok(name.to_owned())
}

#[track]
async fn another_error(text: &str) -> Result<i32, Box<dyn std::error::Error>> {
    let number: i32 = text.parse()?;
    if number == 0 {
        return Err("zero".into());
    }
    Err(Box::new(sqlx::Error::RowNotFound))
}

#[track]
async fn any_error(pool: &SqlitePool) -> anyhow::Result<i64> {
    let number: i64 = sqlx::query_scalar("SELECT 4").fetch_one(pool).await?;
    anyhow::ensure!(number == 4, "not four");
    Ok(number)
}

#[track]
async fn coerced(first: bool) -> Box<dyn Debug + Send> {
    if first {
        return Box::new(1);
    }
    Box::new("x")
}

#[track]
async fn coerced_to_a_slice() -> &'static [u8] {
    &[1, 2, 3]
}

#[track]
async fn an_optional(pool: &SqlitePool) -> Option<i64> {
    let number = sqlx::query_scalar("SELECT 5").fetch_optional(pool).await;
    number.ok()?
}

#[track]
async fn forever(pool: SqlitePool) -> ! {
    loop {
        let _ = pool.acquire().await;
    }
}

#[track]
async fn unfinished(pool: &SqlitePool) -> sqlx::Result<()> {
    let _ = pool;
    unimplemented!()
}

#[track]
#[must_use]
async fn must_be_used() -> u8 {
    1
}

#[track]
async fn recursive(pool: &SqlitePool, depth: u8) -> sqlx::Result<i64> {
    if depth == 0 {
        return sqlx::query_scalar("SELECT 6").fetch_one(pool).await;
    }
    Box::pin(recursive(pool, depth - 1)).await
}

#[track]
async fn nested_functions(pool: &SqlitePool) -> sqlx::Result<i64> {
    use sqlx::query_scalar as scalar;
    const LIMIT: i64 = 7;

    #[track]
    async fn inner(pool: &SqlitePool) -> sqlx::Result<i64> {
        scalar("SELECT ?").bind(LIMIT).fetch_one(pool).await
    }
    inner(pool).await
}

#[track]
async fn labelled(pool: &SqlitePool) -> sqlx::Result<i64> {
    let mut sum = 0;
    'rows: for id in 0..10_i64 {
        let number: i64 = match sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(pool)
            .await
        {
            Ok(number) if number > 3 => break 'rows,
            Ok(2) => continue 'rows,
            Ok(number) => number,
            Err(error) => return Err(error),
        };
        sum += number;
    }
    let text = 'text: {
        if sum > 3 {
            break 'text "much";
        }
        "little"
    };
    Ok(sum + i64::from(text == "much"))
}

#[track]
fn neither_future_nor_stream(number: u8) -> u8 {
    drop(async move { number });
    number + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> Result<(), Box<dyn std::error::Error>> {
    let pool = leash_tests::in_memory().await;
    nothing().await;
    assert_eq!(a_number().await + on_one_line().await, 2);
    assert_eq!(one_query(&pool, 3).await?, 3);
    let mut conn = pool.acquire().await?;
    assert_eq!(an_early_return(&mut conn, 3).await?, 2);
    assert!(an_early_return(&mut conn, 4).await.is_err());
    drop(conn);
    assert_eq!(elided("name", &pool).await?, "name");
    assert_eq!(another_error("0").await.unwrap_err().to_string(), "zero");
    assert_eq!(any_error(&pool).await?, 4);
    assert_eq!(format!("{:?}", coerced(true).await), "1");
    assert_eq!(coerced_to_a_slice().await, [1, 2, 3]);
    assert_eq!(an_optional(&pool).await, Some(5));
    drop(forever(pool.clone()));
    drop(unfinished(&pool));
    assert_eq!(must_be_used().await, 1);
    assert_eq!(recursive(&pool, 3).await?, 6);
    assert_eq!(nested_functions(&pool).await?, 7);
    assert_eq!(labelled(&pool).await?, 5);
    assert_eq!(neither_future_nor_stream(3), 4);
    Ok(())
}
