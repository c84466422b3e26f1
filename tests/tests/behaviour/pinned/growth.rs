//! `constant_queries`: which call site grows, what is no growth, and what cannot be compared.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use expect_test::expect;
use futures::future::join_all;
use sqlx::leash::ScopeExt;
use sqlx::leash::testing::{assert_queries, constant_queries, fixture};
use sqlx::{AssertSqlSafe, SqlitePool, track};

use crate::common::{marked, pool};

use super::{
    add, at, ids, name, names, names_at_once, place_of_name, refusal, row_with, seed, without_lines,
};

#[tokio::test]
async fn the_site_that_grows_is_named() {
    let pool = pool().await;
    let (message, place) = refusal(async {
        let run = async |n| {
            seed(&pool, n).await;
            names(&pool).await.unwrap()
        };
        constant_queries([2, 20], run).await // @grows
    })
    .await;
    expect![[r"
        1 call site sends more statements, the larger the size is:

         at 2  at 20  statement    function      call site
            2     20  SELECT exam  pinned::name  tests/tests/behaviour/pinned.rs:LINE:COLUMN

        these do not grow:

         at 2  at 20  statement    function     call site
            1      1  SELECT exam  pinned::ids  tests/tests/behaviour/pinned.rs:LINE:COLUMN

        help: read all rows in one statement, `WHERE id IN (…)` or a join, instead of one by one
        help: if it makes the data of the test, wrap it: `testing::fixture(…)`"]]
    .assert_eq(&without_lines(&message));
    assert_eq!(place, marked("grows", "await"));
    let row = row_with(&message, "::name ");
    assert_eq!(row.last(), Some(&at(&place_of_name())));
}

#[tokio::test]
async fn what_stays_is_returned() {
    let pool = pool().await;
    let [small, large] = constant_queries([2, 20], async |n| {
        seed(&pool, n).await;
        names_at_once(&pool).await.unwrap()
    })
    .await;
    assert_eq!((small.len(), large.len()), (2, 20));
}

/// No number is too small.
#[tokio::test]
async fn one_more_is_growth() {
    let pool = pool().await;
    let (message, _) = refusal(constant_queries([1, 2, 3], async |n| {
        seed(&pool, n.min(2)).await;
        names(&pool).await.unwrap();
    }))
    .await;
    let row = row_with(&message, "::name ");
    assert_eq!(row[..3], ["1", "2", "2"]);
    assert!(message.contains("called at tests/"), "{message}");
}

/// A tracked function that makes the data is kept apart from the tested ones by `fixture`.
#[tokio::test]
async fn tracked_fixtures_are_wrapped() {
    #[track]
    async fn adds(pool: &SqlitePool, n: i64) {
        sqlx::query("DELETE FROM exam").execute(pool).await.unwrap();
        for id in 0..n {
            add(pool, id).await;
        }
    }
    let pool = pool().await;
    let (message, _) = refusal(constant_queries([2, 20], async |n| {
        adds(&pool, n).await;
        names_at_once(&pool).await.unwrap();
    }))
    .await;
    assert_eq!(
        row_with(&message, "INSERT exam")[..3],
        ["2", "20", "INSERT exam"]
    );
    assert!(message.contains("`testing::fixture(…)`"), "{message}");
    assert!(message.contains("write all rows in one"), "{message}");
    constant_queries([2, 20], async |n| {
        fixture(adds(&pool, n)).await;
        names_at_once(&pool).await.unwrap();
    })
    .await;
}

/// Where nothing is tracked, there is nothing to tell the test's statements by.
#[tokio::test]
async fn without_tracked_functions_all_is_compared() {
    let pool = pool().await;
    let (message, _) = refusal(constant_queries([2, 20], async |n| seed(&pool, n).await)).await;
    let row = row_with(&message, "INSERT exam");
    assert_eq!(
        row[..4],
        ["2", "20", "INSERT exam", "(the test)"],
        "{message}"
    );
    assert!(message.contains("no tracked function"), "{message}");
}

#[tokio::test]
async fn nothing_sent_is_nothing_compared() {
    let pool = pool().await;
    let (message, _) = refusal(constant_queries([2, 20], async |_| {
        let pool = (*pool).clone();
        let task = tokio::spawn(async move { names(&pool).await });
        task.await.unwrap().unwrap();
    }))
    .await;
    assert!(message.contains("nothing to compare"), "{message}");
    assert!(message.contains("`in_current_scope()`"), "{message}");
}

#[tokio::test]
async fn a_run_that_fails_is_not_compared() {
    let pool = pool().await;
    let (message, place) = refusal(async {
        let run = async |n| {
            seed(&pool, n).await;
            name(&pool, 20 - n).await
        };
        constant_queries([2, 20], run).await.map(Result::unwrap) // @fails
    })
    .await;
    assert!(
        message.contains("the run at 2 returned an error"),
        "{message}"
    );
    assert_eq!(place, marked("fails", "await"));
    // `None` is no error.
    let none = constant_queries([2, 20], async |_| {
        names_at_once(&pool).await.unwrap();
        None::<i64>
    });
    assert_eq!(none.await, [None, None]);
}

#[tokio::test]
async fn sizes_must_ascend() {
    for sizes in [[20, 2], [2, 2]] {
        let (message, _) = refusal(async {
            constant_queries(sizes, async |_| unreachable!("it must not run")).await
        })
        .await;
        assert!(message.contains("must ascend"), "{message}");
    }
}

/// What a first run keeps in a cache makes a later one send less.
#[tokio::test]
async fn a_cache_that_is_filled_is_no_growth() {
    #[track]
    async fn setting(pool: &SqlitePool, cache: &Cell<Option<i64>>) -> i64 {
        if let Some(cached) = cache.get() {
            return cached;
        }
        let mut read = 0;
        for _ in 0..3 {
            read = sqlx::query_scalar("SELECT 7")
                .fetch_one(pool)
                .await
                .unwrap();
        }
        cache.set(Some(read));
        read
    }
    let (pool, cache) = (pool().await, Cell::new(None));
    constant_queries([2, 20], async |n| {
        seed(&pool, n).await;
        setting(&pool, &cache).await;
        names_at_once(&pool).await.unwrap()
    })
    .await;
    // It does not hide what grows beside it, and a cache for each key is cold for the new keys.
    let mut known: HashMap<i64, String> = HashMap::new();
    cache.set(None);
    let (message, _) = refusal(constant_queries([2, 20], async |n| {
        seed(&pool, n).await;
        setting(&pool, &cache).await;
        for id in ids(&pool).await.unwrap() {
            if let Entry::Vacant(unknown) = known.entry(id) {
                unknown.insert(name(&pool, id).await.unwrap());
            }
        }
    }))
    .await;
    assert_eq!(row_with(&message, "::name ")[..2], ["2", "18"]);
}

/// A text that is generated for each size is one statement of one call site.
#[tokio::test]
async fn generated_texts_of_a_site_are_one_site() {
    #[track]
    async fn by_ids(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<Vec<String>> {
        let mut sql = "SELECT name FROM exam WHERE id IN (NULL".to_owned();
        for id in ids {
            write!(sql, ", {id}").unwrap();
        }
        sqlx::query_scalar(AssertSqlSafe(sql + ")"))
            .fetch_all(pool)
            .await
    }
    let pool = pool().await;
    constant_queries([2, 20], async |n| {
        seed(&pool, n).await;
        let ids = ids(&pool).await.unwrap();
        assert_eq!(by_ids(&pool, &ids).await.unwrap().len(), ids.len());
    })
    .await;
}

/// One statement where a smaller size needs none.
#[tokio::test]
async fn a_statement_for_some_rows_is_no_growth() {
    #[track]
    async fn unless_empty(pool: &SqlitePool) -> sqlx::Result<Vec<String>> {
        if ids(pool).await?.is_empty() {
            return Ok(Vec::new());
        }
        names_at_once(pool).await
    }
    let pool = pool().await;
    constant_queries([0, 1, 20], async |n| {
        seed(&pool, n).await;
        unless_empty(&pool).await.unwrap()
    })
    .await;
}

/// Concurrent calls and carried tasks count, and helpers without the attribute count for their function.
#[tokio::test]
async fn all_ways_to_repeat_are_seen() {
    #[track]
    async fn at_once(pool: &SqlitePool) {
        let ids = ids(pool).await.unwrap();
        join_all(ids.iter().map(|id| name(pool, *id))).await;
    }
    #[track]
    async fn in_tasks(pool: &SqlitePool) {
        let ids = ids(pool).await.unwrap();
        let tasks = ids.into_iter().map(|id| {
            let pool = pool.clone();
            tokio::spawn(async move { name(&pool, id).await }.in_current_scope())
        });
        join_all(tasks).await;
    }
    #[track]
    async fn by_helper(pool: &SqlitePool) {
        async fn untracked(pool: &SqlitePool, id: i64) -> String {
            let query = sqlx::query_scalar("SELECT name FROM exam WHERE id = ?");
            query.bind(id).fetch_one(pool).await.unwrap()
        }
        for id in ids(pool).await.unwrap() {
            untracked(pool, id).await;
        }
    }
    let pool = pool().await;
    let (message, _) = refusal(constant_queries([2, 5], async |n| {
        seed(&pool, n).await;
        at_once(&pool).await;
    }))
    .await;
    assert_eq!(row_with(&message, "::name ")[..2], ["2", "5"]);
    let (message, _) = refusal(constant_queries([2, 5], async |n| {
        seed(&pool, n).await;
        in_tasks(&pool).await;
    }))
    .await;
    assert_eq!(row_with(&message, "::name ")[..2], ["2", "5"]);
    let (message, _) = refusal(constant_queries([2, 5], async |n| {
        seed(&pool, n).await;
        by_helper(&pool).await;
    }))
    .await;
    let row = row_with(&message, "::by_helper ");
    assert_eq!(row[..3], ["2", "5", "SELECT exam"]);
}

/// The runs count in a test around them, and the outputs may be of any type.
#[tokio::test]
async fn it_may_be_part_of_a_test() {
    let pool = pool().await;
    let mut sizes = Vec::new();
    assert_queries!(2, async {
        let sums = constant_queries([2_usize, 20], async |n: usize| {
            sizes.push(n);
            names_at_once(&pool).await.unwrap();
            Box::new(n)
        });
        assert_eq!(sums.await, [Box::new(2), Box::new(20)]);
    });
    assert_eq!(sizes, [2, 20]);
}
