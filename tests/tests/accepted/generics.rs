//! Generics and lifetimes.

#![deny(warnings, rust_2018_idioms)]

use std::fmt::Display;

use sqlx::{
    Acquire, Database, Executor, Pool, Sqlite, SqliteConnection, SqliteExecutor, SqlitePool,
    Transaction, track,
};

#[track]
async fn named<'a, 'b: 'a>(x: &'a str, y: &'b str) -> &'a str {
    if x.is_empty() { y } else { x }
}

#[track]
async fn one_of_two<'a>(x: &str, y: &'a mut String) -> &'a mut String {
    y.push_str(x);
    y
}

#[track]
async fn parameters<T: Display + Clone, const N: usize>(values: [T; N]) -> Vec<T>
where
    T: Send,
{
    values.to_vec()
}

#[track]
async fn arguments(value: impl Display, call: impl Fn(u8) -> u8) -> String {
    format!("{value}{}", call(1))
}

#[track]
async fn opaque() -> sqlx::Result<impl Iterator<Item = u8>> {
    Ok([1, 2].into_iter())
}

#[track]
async fn opaque_and_borrowed<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a str> + use<'a> {
    words.iter().copied()
}

#[track]
async fn for_all_lifetimes<F>(call: F) -> usize
where
    F: for<'x> Fn(&'x str) -> &'x str,
{
    call("text").len()
}

#[track]
async fn async_callback<F>(pool: &SqlitePool, call: F) -> sqlx::Result<i64>
where
    F: AsyncFn(&SqlitePool) -> sqlx::Result<i64>,
{
    call(pool).await
}

#[track]
async fn an_executor<'e, E>(executor: E, id: i64) -> sqlx::Result<i64>
where
    E: Executor<'e, Database = Sqlite>,
{
    sqlx::query_scalar("SELECT ?")
        .bind(id)
        .fetch_one(executor)
        .await
}

#[track]
async fn an_opaque_executor(executor: impl Executor<'_, Database = Sqlite>) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 2").fetch_one(executor).await
}

#[track]
async fn a_named_executor(executor: impl SqliteExecutor<'_>, _name: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT 2").fetch_one(executor).await
}

#[track]
async fn borrowed_items(numbers: impl Iterator<Item = &i64>) -> i64 {
    numbers.sum()
}

#[track]
async fn borrowed_in_a_box(call: Box<dyn Fn(&str) -> usize + '_>) -> usize {
    call("text")
}

#[track]
async fn an_acquirer<'a, A>(acquire: A) -> sqlx::Result<i64>
where
    A: Acquire<'a, Database = Sqlite> + Send,
{
    let mut conn = acquire.acquire().await?;
    sqlx::query_scalar("SELECT 3").fetch_one(&mut *conn).await
}

#[track]
async fn any_database<DB>(pool: &Pool<DB>) -> sqlx::Result<()>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut conn = pool.acquire().await?;
    conn.execute("SELECT 4").await?;
    Ok(())
}

#[track]
async fn a_transaction<'t>(
    tx: &mut Transaction<'t, Sqlite>,
    conn: &mut SqliteConnection,
) -> sqlx::Result<i64> {
    conn.execute("SELECT 5").await?;
    sqlx::query_scalar("SELECT 6").fetch_one(&mut **tx).await
}

struct Repo<'p, T: ?Sized> {
    pool: &'p SqlitePool,
    name: Box<T>,
}

#[track]
impl<'p, T> Repo<'p, T>
where
    T: AsRef<str> + ?Sized,
{
    async fn borrowed(&self) -> &str {
        (*self.name).as_ref()
    }

    async fn outer(&self) -> &'p SqlitePool {
        self.pool
    }

    async fn compared<U: PartialEq<i64>>(&self, value: U) -> sqlx::Result<bool> {
        let number: i64 = sqlx::query_scalar("SELECT 7").fetch_one(self.pool).await?;
        Ok(value == number)
    }
}

#[track]
impl Repo<'_, str> {
    async fn chosen(&self, length: usize) -> &str {
        &self.name[..length]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    assert_eq!(named("", "y").await, "y");
    assert_eq!(one_of_two("x", &mut String::from("y")).await, "yx");
    assert_eq!(parameters([1, 2]).await, [1, 2]);
    assert_eq!(arguments("x", |number| number + 1).await, "x2");
    assert_eq!(opaque().await?.sum::<u8>(), 3);
    assert_eq!(opaque_and_borrowed(&["a", "b"]).await.count(), 2);
    assert_eq!(for_all_lifetimes(|text| text).await, 4);
    let call = async |pool: &SqlitePool| an_executor(pool, 9).await;
    assert_eq!(async_callback(&pool, call).await?, 9);
    assert_eq!(an_executor(&pool, 1).await?, 1);
    assert_eq!(an_opaque_executor(&pool).await?, 2);
    assert_eq!(a_named_executor(&pool, "").await?, 2);
    assert_eq!(borrowed_items([1, 2].iter()).await, 3);
    assert_eq!(borrowed_in_a_box(Box::new(str::len)).await, 4);
    assert_eq!(an_acquirer(&pool).await?, 3);
    any_database(&pool).await?;
    let mut tx = pool.begin().await?;
    let mut other = <SqliteConnection as sqlx::Connection>::connect("sqlite::memory:").await?;
    assert_eq!(a_transaction(&mut tx, &mut other).await?, 6);
    assert_eq!(an_executor(&mut *tx, 1).await?, 1);
    assert_eq!(an_acquirer(&mut tx).await?, 3);
    tx.commit().await?;
    let name: Box<str> = "name".into();
    let repo = Repo { pool: &pool, name };
    assert_eq!(repo.borrowed().await, "name");
    assert!(repo.outer().await.size() > 0);
    assert!(repo.compared(7).await?);
    assert_eq!(repo.chosen(2).await, "na");
    Ok(())
}
