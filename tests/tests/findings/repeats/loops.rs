//! What repeats the query is named: the loop and the `.await` in it.

use futures::{StreamExt, TryStreamExt, future, stream};

use super::*;

#[track]
async fn walks(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<usize> {
    let mut names = 0;
    for id in ids {
        names += usize::from(lookup(pool, *id).await?.is_some()); // @walks await
    }
    Ok(names)
}

#[tokio::test]
async fn a_for_loop_that_awaits_a_callee() {
    let pool = exams(12).await;
    let ids: Vec<_> = (1..=12).collect();
    let (done, found) = findings(walks(&pool, &ids)).await;
    assert_eq!(done.unwrap(), 12);
    let found = check(found, Lint::NPlusOne, Certain, &at_lookup());
    is_labelled(
        &found,
        &written("for id in ids {", "for"),
        "for each of these",
    );
    is_labelled(
        &found,
        &marked("walks await", "await"),
        "lookup is awaited here",
    );
    assert!(found.title.contains("12 times"), "{}", found.render());
    assert!(
        found.title.contains("with 12 different arguments"),
        "{}",
        found.render()
    );
}

#[tokio::test]
async fn the_limit_is_inclusive() {
    let pool = exams(12).await;
    let ids: Vec<_> = (1..=10).collect();
    let (_, found) = findings(walks(&pool, &ids)).await;
    check(found, Lint::NPlusOne, Certain, &at_lookup());
    let (_, found) = findings(walks(&pool, &ids[..9])).await;
    crate::common::assert_none(&found);
}

#[track]
async fn walks_directly(pool: &SqlitePool) -> sqlx::Result<()> {
    let all: Vec<i64> = sqlx::query_scalar("SELECT id FROM exam")
        .fetch_all(pool) // @directly read
        .await?;
    let mut conn = pool.acquire().await?;
    for id in all {
        let query = sqlx::query("SELECT name FROM exam WHERE id = ?").bind(id);
        query.fetch_one(&mut *conn).await?; // @directly
    }
    Ok(())
}

#[tokio::test]
async fn a_for_loop_around_the_query_itself_and_the_read_before() {
    let pool = exams(15).await;
    let (done, found) = findings(walks_directly(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        Lint::NPlusOne,
        Certain,
        &marked("directly", "fetch_one"),
    );
    is_labelled(
        &found,
        &written("for id in all {", "for"),
        "for each of these",
    );
    is_labelled(
        &found,
        &marked("directly read", "fetch_all"),
        "15 rows of this read",
    );
    assert!(
        found.help.iter().any(|help| help.contains("JOIN")),
        "{}",
        found.render()
    );
}

#[track]
async fn at_once(pool: &SqlitePool) -> sqlx::Result<()> {
    future::try_join_all((1..=12).map(|id| lookup(pool, id))).await?;
    Ok(())
}

#[tokio::test]
async fn calls_that_overlap_are_certain() {
    let pool = exams(12).await;
    let (done, found) = findings(at_once(&pool)).await;
    done.unwrap();
    let found = check(found, Lint::NPlusOne, Certain, &at_lookup());
    assert!(found.cause.contains("overlapped"), "{}", found.render());
}

#[track]
async fn buffered(pool: &SqlitePool) -> sqlx::Result<()> {
    let names = stream::iter(1..=12).map(|id| async move {
        lookup(pool, id).await // @buffered await
    });
    names.buffered(3).try_collect::<Vec<_>>().await?;
    Ok(())
}

#[tokio::test]
async fn a_closure_around_the_await() {
    let pool = exams(12).await;
    let (done, found) = findings(buffered(&pool)).await;
    done.unwrap();
    let found = check(found, Lint::NPlusOne, Certain, &at_lookup());
    is_labelled(
        &found,
        &written(
            "let names = stream::iter(1..=12).map(|id| async move {",
            "|id| async move {",
        ),
        "each time this closure runs",
    );
}

#[track]
async fn each_row(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut rows = sqlx::query_scalar::<_, i64>("SELECT id FROM exam").fetch(pool); // @each row read
    while let Some(id) = rows.try_next().await? {
        lookup(pool, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_lookup_for_each_row_of_a_stream() {
    let pool = exams(12).await;
    let (done, found) = findings(each_row(&pool)).await;
    done.unwrap();
    let found: Vec<_> = found
        .into_iter()
        .filter(|it| it.lint == Lint::NPlusOne)
        .collect();
    let found = check(found, Lint::NPlusOne, Likely, &at_lookup());
    is_labelled(
        &found,
        &written("while let Some(id) = rows.try_next().await? {", "while"),
        "in each round of this loop",
    );
    is_labelled(
        &found,
        &marked("each row read", "fetch"),
        "while the 12 rows of this stream are read",
    );
}

#[track]
async fn generated(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 1..=50 {
        let text = format!("SELECT name FROM exam WHERE id = {id}");
        let query = sqlx::query(sqlx::AssertSqlSafe(text));
        query.fetch_all(pool).await?; // @generated
    }
    Ok(())
}

#[tokio::test]
async fn texts_that_differ_in_their_literals_are_one_line() {
    let pool = exams(2).await;
    let (done, found) = findings(generated(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        Lint::NPlusOne,
        Certain,
        &marked("generated", "fetch_all"),
    );
    assert!(found.title.contains("50 times"), "{}", found.render());
}

#[track]
async fn row_by_row(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for id in 1..=20_i64 {
        let query = sqlx::query("INSERT INTO exam VALUES (?, 'x')").bind(id);
        query.execute(&mut *tx).await?; // @row by row
    }
    tx.commit().await
}

#[tokio::test]
async fn writes_row_by_row_are_likely() {
    let pool = pool().await;
    let (done, found) = findings(row_by_row(&pool)).await;
    done.unwrap();
    let found = check(
        found,
        Lint::NPlusOne,
        Likely,
        &marked("row by row", "execute"),
    );
    assert!(found.title.contains("row by row"), "{}", found.render());
    is_labelled(
        &found,
        &written("for id in 1..=20_i64 {", "for"),
        "for each of these",
    );
}

#[track]
async fn again_and_again(pool: &SqlitePool, times: usize) -> sqlx::Result<()> {
    for _ in 0..times {
        lookup(pool, 1).await?;
    }
    Ok(())
}

#[track]
async fn each(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<()> {
    for number in ids {
        lookup(pool, *number).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_first_call_is_compared_in_a_debug_build() {
    let pool = exams(1).await;
    let (_, found) = findings(each(&pool, &[1, 2, 1, 2, 1, 2, 1, 2, 1])).await;
    let (_, near_miss) = findings(each(&pool, &[2, 1, 1, 1, 1])).await;
    if cfg!(debug_assertions) {
        let found = check(found, Lint::RedundantQuery, Likely, &at_lookup());
        let words = "9 times in one call of";
        assert!(
            found.title.contains(words) && found.title.contains("5 times with the same arguments")
        );
        crate::common::assert_none(&near_miss);
    }
}

#[tokio::test]
async fn the_same_arguments_are_redundant() {
    let pool = exams(1).await;
    let (_, found) = findings(again_and_again(&pool, 5)).await;
    let found = check(found, Lint::RedundantQuery, Likely, &at_lookup());
    assert!(
        found.title.contains("each time with the same arguments"),
        "{}",
        found.render()
    );
    is_labelled(
        &found,
        &written("for _ in 0..times {", "for"),
        "for each of these",
    );
    let (_, found) = findings(again_and_again(&pool, 4)).await;
    crate::common::assert_none(&found);
}
