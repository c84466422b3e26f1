//! Transactions that texts begin and end: they fail like those of values.

use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, track};

use super::{FAILS, MEMBER, check, members, none, on_postgres, only_failed};
use crate::common::{marked, related};

type Result = sqlx::Result<()>;

#[track]
async fn commits(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?; // @begin by text
    sqlx::query(MEMBER).execute(&mut *conn).await?; // @lost by text
    let _ = sqlx::query(FAILS).execute(&mut *conn).await; // @fails by text
    sqlx::query("COMMIT").execute(&mut *conn).await?; // @commit by text
    Ok(())
}

#[track]
async fn goes_on(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("START TRANSACTION").execute(&mut *conn).await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    let _ = sqlx::query(MEMBER).execute(&mut *conn).await; // @next by text
    let _ = sqlx::query(MEMBER).execute(&mut *conn).await;
    sqlx::query("END").execute(&mut *conn).await?;
    Ok(())
}

/// The text begins the transaction and fails in it.
#[track]
async fn fails_in_the_text_that_begins(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let text = "BEGIN; INSERT INTO member VALUES ('a'); UPDATE nowhere SET members = 1; COMMIT";
    assert!(sqlx::raw_sql(text).execute(&mut *conn).await.is_err()); // @one text
    sqlx::query("COMMIT").execute(&mut *conn).await?; // @commit of one text
    Ok(())
}

#[track]
async fn chains(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    let chain = "COMMIT AND CHAIN";
    sqlx::query(chain).execute(&mut *conn).await?; // @chain
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    sqlx::query("COMMIT").execute(&mut *conn).await?; // @chained
    Ok(())
}

/// PostgreSQL goes on with the transaction that the text has begun.
#[track]
async fn begins_a_value_inside(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    sqlx::query(MEMBER).execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    let _ = sqlx::query(FAILS).execute(&mut *tx).await;
    tx.commit().await // @value inside
}

#[track]
async fn begins_a_value_too_late(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    assert!(conn.begin().await.is_err()); // @value too late
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    Ok(())
}

#[tokio::test]
async fn they_fail_like_those_of_values() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (committed, found) = findings(commits(&pool)).await;
    committed.unwrap();
    let finding = only_failed(found.clone());
    related(&finding, &marked("begin by text", "execute"));
    related(&finding, &marked("fails by text", "execute"));
    let lost = related(&finding, &marked("lost by text", "execute"));
    assert!(lost.label.contains("are not saved"), "{}", lost.label);
    assert!(names_no_value(&finding), "{}", finding.render());
    check(found, &marked("commit by text", "execute"), "commits a");

    let (_, found) = findings(goes_on(&pool)).await;
    check(found, &marked("next by text", "execute"), "sends `INSERT");
    let (_, found) = findings(fails_in_the_text_that_begins(&pool)).await;
    let finding = only_failed(found.clone());
    related(&finding, &marked("one text", "execute"));
    check(found, &marked("commit of one text", "execute"), "commits a");
    let (_, found) = findings(begins_a_value_inside(&pool)).await;
    check(found, &marked("value inside", "commit"), "commits a");
    let (_, found) = findings(begins_a_value_too_late(&pool)).await;
    let title = "begins another transaction inside a transaction";
    check(found, &marked("value too late", "begin"), title);
    assert_eq!(members(&pool).await, 0, "nothing was saved");
}

#[tokio::test]
async fn a_chain_is_a_second_one() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, mut found) = findings(chains(&pool)).await;
    let second = found.split_off(1);
    check(found, &marked("chain", "execute"), "commits a");
    check(second, &marked("chained", "execute"), "commits a");
}

/// The help is for code without a `Transaction` value.
fn names_no_value(finding: &Finding) -> bool {
    !finding.help.iter().any(|help| help.contains("tx."))
}

#[track]
async fn rolls_back(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    for _ in 0..2 {
        sqlx::query("BEGIN").execute(&mut *conn).await?;
        if sqlx::query(FAILS).execute(&mut *conn).await.is_err() {
            sqlx::query("ROLLBACK").execute(&mut *conn).await?;
        }
    }
    sqlx::query(MEMBER).execute(&mut *conn).await?;
    Ok(())
}

#[track]
async fn heals(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let begin = "BEGIN; SAVEPOINT tried";
    sqlx::raw_sql(begin).execute(&mut *conn).await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    let back = "ROLLBACK TO tried; INSERT INTO member VALUES ('a')";
    sqlx::raw_sql(back).execute(&mut *conn).await?;
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

/// The transaction ends before the statement that fails.
#[track]
async fn fails_after_the_commit(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let text = "BEGIN; INSERT INTO member VALUES ('a'); COMMIT; UPDATE nowhere SET members = 1";
    assert!(sqlx::raw_sql(text).execute(&mut *conn).await.is_err());
    sqlx::query(MEMBER).execute(&mut *conn).await?;
    Ok(())
}

/// Nothing of a text with a syntax error runs.
#[track]
async fn never_begins(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let text = "BEGIN; INSERT INTO member VALUES ('a'); COMIT";
    assert!(sqlx::raw_sql(text).execute(&mut *conn).await.is_err());
    sqlx::query(MEMBER).execute(&mut *conn).await?;
    Ok(())
}

/// Further texts of a call site are not told apart: one of them may roll back.
#[track]
async fn sends_many_texts(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let many = (0..40).map(|n| format!("SELECT {n}"));
    let texts = ["BEGIN", FAILS, "ROLLBACK", MEMBER].map(str::to_owned);
    for text in many.chain(texts) {
        let sent = sqlx::query(AssertSqlSafe(text)).execute(&mut *conn).await;
        drop(sent);
    }
    Ok(())
}

/// Code that is not seen ends the transaction, so that the failure is outside of it.
#[track]
async fn ends_it_unseen(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN").execute(&mut *conn).await?;
    unseen(&mut conn).await?;
    let _ = sqlx::query(FAILS).execute(&mut *conn).await;
    sqlx::query(MEMBER).execute(&mut *conn).await?; // @ended unseen
    Ok(())
}

async fn unseen(conn: &mut PgConnection) -> Result {
    let ended = sqlx::query("COMMIT").execute(conn).await;
    ended.map(drop)
}

#[tokio::test]
async fn what_unseen_code_has_ended_is_likely_at_most() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    let (_, found) = findings(ends_it_unseen(&pool)).await;
    let finding = only_failed(found);
    assert_eq!(finding.certainty, Certainty::Likely, "{}", finding.render());
}

/// A text without BEGIN and with several statements is a transaction of its own.
#[track]
async fn fails_without_a_transaction(pool: &PgPool) -> Result {
    let mut conn = pool.acquire().await?;
    let text = "INSERT INTO member VALUES ('a'); UPDATE nowhere SET members = 1";
    assert!(sqlx::raw_sql(text).execute(&mut *conn).await.is_err());
    sqlx::query(MEMBER).execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    sqlx::query(MEMBER).execute(&mut *tx).await?;
    tx.commit().await
}

#[tokio::test]
async fn near_misses() {
    let Some((_db, pool)) = on_postgres().await else {
        return;
    };
    none(findings(rolls_back(&pool)).await);
    none(findings(heals(&pool)).await);
    none(findings(fails_after_the_commit(&pool)).await);
    none(findings(never_begins(&pool)).await);
    none(findings(fails_without_a_transaction(&pool)).await);
    none(findings(sends_many_texts(&pool)).await);
    assert_eq!(members(&pool).await, 8, "everything was saved");
}
