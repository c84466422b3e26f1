//! Every way to send a statement, and to begin a transaction.

use futures::TryStreamExt;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::leash::Certainty;
use sqlx::{AnyPool, Connection, Executor, SqliteConnection, SqlitePool, track};

use super::{File, Open, POST, Wal, assert_finding, refused};
use crate::common::{Place, TestPool, assert_helps, marked};

type Result<T = ()> = sqlx::Result<T>;

#[track]
async fn on_a_connection(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query(POST).execute(&mut *conn).await?; // @way connection
    Ok(())
}

#[track]
async fn in_a_transaction(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    sqlx::query(POST).execute(&mut *tx).await?; // @way transaction
    tx.commit().await
}

#[track]
async fn in_a_savepoint(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    let mut savepoint = tx.begin().await?;
    sqlx::query(POST).execute(&mut *savepoint).await?; // @way savepoint
    savepoint.commit().await?;
    tx.commit().await
}

#[track]
async fn on_a_lent_connection(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    posts_on(&mut conn).await
}

#[track]
async fn posts_on(conn: &mut SqliteConnection) -> Result {
    sqlx::query(POST).execute(conn).await?; // @way lent
    Ok(())
}

#[track]
async fn checked(pool: &SqlitePool) -> Result {
    let (name, id) = ("Ada", 1);
    sqlx::query!("UPDATE patient SET name = ? WHERE id = ?", name, id)
        .execute(pool) // @way checked
        .await?;
    Ok(())
}

#[track]
async fn several_statements(pool: &SqlitePool) -> Result {
    let text = "SELECT count(*) FROM message; INSERT INTO message (text) VALUES ('b'); SELECT 1";
    sqlx::raw_sql(text).execute(pool).await?; // @way several
    Ok(())
}

#[track]
async fn by_a_stream(pool: &SqlitePool) -> Result {
    let returning = "INSERT INTO message (text) VALUES ('c') RETURNING id";
    let mut rows = sqlx::query(returning).fetch(pool); // @way stream
    while rows.try_next().await?.is_some() {}
    Ok(())
}

#[track]
async fn by_the_pool_itself(pool: &SqlitePool) -> Result {
    pool.execute(POST).await?; // @way itself
    Ok(())
}

#[track]
async fn begins(pool: &SqlitePool) -> Result {
    let tx = pool.begin_with("BEGIN IMMEDIATE").await?; // @way begin
    tx.commit().await
}

#[track]
async fn begins_on_a_connection(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    let tx = conn.begin_with("BEGIN EXCLUSIVE").await?; // @way begin on
    tx.commit().await
}

#[track]
async fn begins_by_a_text(pool: &SqlitePool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?; // @way begin text
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn through_any(pool: &AnyPool) -> Result {
    sqlx::query(POST).execute(pool).await?; // @way any
    Ok(())
}

async fn in_code_of_others(pool: &SqlitePool) -> Result {
    sqlx::query(POST).execute(pool).await.map(drop)
}

#[track]
async fn without_a_pool(file: &File) -> Result {
    use sqlx::ConnectOptions as _;
    let mut conn = file.options().connect().await?;
    sqlx::query(POST).execute(&mut conn).await?; // @way bare
    Ok(())
}

#[track_caller]
fn check(finding: &sqlx::leash::Finding, place: &Place) {
    let holder = "the transaction of findings::locked::writes has had the lock for writing for";
    assert_finding(finding, place, Certainty::Certain, holder);
}

#[tokio::test]
async fn each_way_knows_the_holder() {
    let file = File::new(Wal).await;
    let pool = TestPool::new(file.pool().await, ());
    let patient = "CREATE TABLE patient (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER)";
    sqlx::raw_sql(patient).execute(&*pool).await.unwrap();
    let open = Open::writer(&pool).await;

    check(
        &refused(on_a_connection(&pool)).await,
        &marked("way connection", "execute"),
    );
    check(
        &refused(in_a_transaction(&pool)).await,
        &marked("way transaction", "execute"),
    );
    check(
        &refused(in_a_savepoint(&pool)).await,
        &marked("way savepoint", "execute"),
    );
    check(
        &refused(on_a_lent_connection(&pool)).await,
        &marked("way lent", "execute"),
    );
    check(
        &refused(checked(&pool)).await,
        &marked("way checked", "execute"),
    );
    check(
        &refused(several_statements(&pool)).await,
        &marked("way several", "execute"),
    );
    check(
        &refused(by_a_stream(&pool)).await,
        &marked("way stream", "fetch"),
    );
    check(
        &refused(by_the_pool_itself(&pool)).await,
        &marked("way itself", "execute"),
    );
    check(
        &refused(begins_by_a_text(&pool)).await,
        &marked("way begin text", "execute"),
    );

    let finding = refused(begins(&pool)).await;
    check(&finding, &marked("way begin", "begin_with"));
    assert!(
        finding.title.contains("begins a transaction of pool"),
        "{}",
        finding.title
    );
    assert!(
        finding.notes[0].contains("no transaction was begun"),
        "{}",
        finding.render()
    );
    check(
        &refused(begins_on_a_connection(&pool)).await,
        &marked("way begin on", "begin_with"),
    );

    install_default_drivers();
    let url = format!("sqlite://{}", file.path().display());
    let any = AnyPoolOptions::new().connect(&url).await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 900")
        .execute(&any)
        .await
        .unwrap();
    check(
        &refused(through_any(&any)).await,
        &marked("way any", "execute"),
    );

    let finding = refused(in_code_of_others(&pool)).await;
    assert_eq!(
        finding.certainty,
        Certainty::Certain,
        "{}",
        finding.render()
    );

    // Nothing shows which file it has open.
    let finding = refused(without_a_pool(&file)).await;
    let cause = "another connection has locked the database";
    assert_finding(
        &finding,
        &marked("way bare", "execute"),
        Certainty::Likely,
        cause,
    );
    assert_helps(&finding, "retry it");
    open.ends().await;
}
