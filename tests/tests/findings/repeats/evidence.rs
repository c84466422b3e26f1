//! What is certain, and what the words claim.

use futures::TryStreamExt;
use futures::future::{join_all, try_join};
use sqlx::leash::ScopeExt;

use super::*;
use crate::common::assert_none;

/// The number after this one, at `// @next`.
#[track]
async fn next(pool: &SqlitePool, id: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT id + 1 FROM exam WHERE id = ?")
        .bind(id)
        .fetch_one(pool) // @next
        .await
}

fn at_next() -> Place {
    marked("next", "fetch_one")
}

#[track]
async fn a_chain(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut id = 1;
    for step in 0..12 {
        let following = next(pool, id).await?;
        assert!(step < following);
        id = following;
    }
    Ok(())
}

#[track]
async fn pairs(pool: &SqlitePool) -> sqlx::Result<()> {
    let (mut one, mut other) = (1, 10);
    while one < 9 {
        (one, other) = try_join(next(pool, one), next(pool, other)).await?;
    }
    Ok(())
}

#[track]
async fn walk(pool: &SqlitePool, from: i64) -> sqlx::Result<()> {
    let mut id = from;
    while id < from + 8 {
        id = next(pool, id).await?;
    }
    Ok(())
}

#[track]
async fn two_chains(pool: &SqlitePool) -> sqlx::Result<()> {
    join_all([walk(pool, 1), walk(pool, 10)]).await;
    Ok(())
}

#[tokio::test]
async fn rounds_that_go_on_from_one_another_are_never_certain() {
    let pool = exams(20).await;
    let of = |found: Vec<Finding>| check(found, Lint::NPlusOne, Likely, &at_next());
    of(findings(a_chain(&pool)).await.1);
    of(findings(pairs(&pool)).await.1);
    of(findings(two_chains(&pool)).await.1);
}

#[track]
async fn down(pool: &SqlitePool, id: i64) -> sqlx::Result<()> {
    sqlx::query("SELECT name FROM exam WHERE id = ?")
        .bind(id)
        .fetch_optional(pool) // @down
        .await?;
    for child in [2 * id, 2 * id + 1] {
        if child < 16 {
            Box::pin(down(pool, child)).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_function_that_calls_itself_walks_a_tree() {
    let pool = exams(15).await;
    let (done, found) = findings(down(&pool, 1)).await;
    done.unwrap();
    let place = marked("down", "fetch_optional");
    let found = check(found, Lint::NPlusOne, Likely, &place);
    let said = found.render();
    assert!(said.contains("WITH RECURSIVE"), "{said}");
    assert!(!said.contains("json_each"), "{said}");
}

#[track]
async fn returning(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..12 {
        let id: i64 = sqlx::query_scalar("INSERT INTO exam VALUES (NULL, ?) RETURNING id")
            .bind(rand_name())
            .fetch_one(pool) // @returning
            .await?;
        assert!(id > 0);
    }
    Ok(())
}

/// Another one each time.
fn rand_name() -> String {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let next = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("exam {next}")
}

#[tokio::test]
async fn rows_that_a_write_returns_are_rows_that_it_wrote() {
    let (done, found) = findings(returning(&*pool().await)).await;
    done.unwrap();
    let place = marked("returning", "fetch_one");
    let found = check(found, Lint::NPlusOne, Likely, &place);
    assert!(found.title.contains("row by row"), "{}", found.render());
}

#[track]
async fn some_rows(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut rows = sqlx::query_scalar::<_, i64>("SELECT id FROM exam").fetch(pool); // @some row read
    while let Some(id) = rows.try_next().await? {
        if id % 2 == 0 {
            lookup(pool, id).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_lookup_for_some_rows_of_a_stream() {
    let pool = exams(24).await;
    let (done, found) = findings(some_rows(&pool)).await;
    done.unwrap();
    let found = found.into_iter().filter(|it| it.lint == Lint::NPlusOne);
    let found = check(found.collect(), Lint::NPlusOne, Likely, &at_lookup());
    is_labelled(
        &found,
        &marked("some row read", "fetch"),
        "while the 24 rows of this stream are read",
    );
}

/// Awaits what a closure makes.
async fn timed<T, F: Future<Output = T>>(make: impl Fn() -> F) -> T {
    make().await
}

#[track]
async fn closures(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..12_i64 {
        timed(|| async move { lookup(pool, id).await }).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_loop_around_a_closure_is_named_too() {
    let pool = exams(1).await;
    let (done, found) = findings(closures(&pool)).await;
    done.unwrap();
    let found = check(found, Lint::NPlusOne, Likely, &at_lookup());
    let source = "timed(|| async move { lookup(pool, id).await }).await?;";
    is_labelled(&found, &written(source, "||"), "each time this closure");
    let source = "for id in 0..12_i64 {";
    is_labelled(&found, &written(source, "for"), "for each of these");
}

#[track]
async fn at_once(pool: &SqlitePool) -> sqlx::Result<()> {
    join_all((0..12).map(|id| lookup(pool, id))).await;
    Ok(())
}

async fn looked_up(pool: SqlitePool, id: i64) -> sqlx::Result<Option<String>> {
    lookup(&pool, id).await
}

#[track]
async fn in_tasks(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..=11 {
        let pool = pool.clone();
        tasks.spawn(looked_up(pool, id).in_current_scope());
    }
    tasks.join_all().await;
    Ok(())
}

#[tokio::test]
async fn times_of_calls_that_overlap_are_sums() {
    let pool = exams(1).await;
    for found in [
        findings(at_once(&pool)).await.1,
        findings(in_tasks(&pool)).await.1,
    ] {
        let found = only(found);
        let said = found.render();
        assert!(said.contains(" in sum, several at once, in "), "{said}");
    }
}

#[tokio::test]
async fn a_task_of_the_root_is_no_round_of_its_own() {
    let pool = exams(1).await;
    let found = only(findings(in_tasks(&pool)).await.1);
    is_labelled(
        &found,
        &written("for id in 0..=11 {", "for"),
        "for each of these",
    );
    let said = found.render();
    assert!(
        said.contains("a task carries this scope from here"),
        "{said}"
    );
    assert!(!said.contains("#[track(root)]"), "{said}");
}

#[track]
async fn many_rows_each(pool: &SqlitePool) -> sqlx::Result<()> {
    for day in 0..12_i64 {
        sqlx::query("SELECT * FROM exam WHERE id > ?")
            .bind(day)
            .fetch_all(pool)
            .await?;
    }
    for day in 0..12_i64 {
        sqlx::query("INSERT INTO exam SELECT NULL, ? FROM exam WHERE id < 7")
            .bind(day)
            .execute(pool)
            .await?;
    }
    Ok(())
}

#[track]
async fn chunks(pool: &SqlitePool) -> sqlx::Result<()> {
    for chunk in [1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5] {
        let mut query = sqlx::QueryBuilder::new("INSERT INTO exam (name) ");
        query.push_values(0..chunk, |mut row, _| {
            row.push_bind(rand_name());
        });
        query.build().execute(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_for_many_rows_already() {
    let pool = exams(140).await;
    for found in [
        findings(many_rows_each(&pool)).await.1,
        findings(chunks(&pool)).await.1,
    ] {
        assert_none(&found);
    }
}

#[track]
async fn tries_until_unchanged(pool: &SqlitePool) -> sqlx::Result<()> {
    for version in 0..12_i64 {
        sqlx::query("UPDATE exam SET name = 'new' WHERE id = 1 AND name = ?")
            .bind(version)
            .execute(pool)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn writes_that_find_no_row() {
    let (done, found) = findings(tries_until_unchanged(&*exams(1).await)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn name_of(pool: &SqlitePool, id: i64) -> sqlx::Result<Option<String>> {
    lookup(pool, id).await
}

/// As a test calls one handler after the other.
#[track]
async fn one_after_the_other(pool: &SqlitePool) -> sqlx::Result<()> {
    lookup(pool, 1).await?;
    lookup(pool, 2).await?;
    name_of(pool, 3).await?;
    lookup(pool, 4).await?;
    name_of(pool, 5).await?;
    lookup(pool, 6).await?;
    name_of(pool, 7).await?;
    lookup(pool, 8).await?;
    name_of(pool, 9).await?;
    lookup(pool, 10).await?;
    Ok(())
}

#[track]
async fn twice_in_each_round(pool: &SqlitePool) -> sqlx::Result<()> {
    let starts = [1, 3, 5, 7, 9];
    for id in starts {
        lookup(pool, id).await?;
        name_of(pool, id + 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn calls_at_several_places_are_repeated_by_the_loop_around_all_of_them() {
    let pool = exams(10).await;
    assert_none(&findings(one_after_the_other(&pool)).await.1);
    let (ended, found) = findings(twice_in_each_round(&pool)).await;
    ended.unwrap();
    // The second lookup of a round may go on from the first.
    let found = check(found, Lint::NPlusOne, Likely, &at_lookup());
    is_labelled(
        &found,
        &written("for id in starts {", "for"),
        "for each of these",
    );
}
