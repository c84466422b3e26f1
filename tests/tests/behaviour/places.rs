//! Where things happen: file, line, column and function of every call site, against the source.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::leash;
use sqlx::sqlite::SqliteRow;
use sqlx::{Acquire, Connection, Executor, Row, SqliteExecutor, SqlitePool, track};
use tokio::time::{Duration, timeout};
use tracing::instrument;

use crate::common::{HUNDRED, Place, TestPool, declared, full_name, marked, pool, rows_of};

/// The statements of `function` were sent from these places, in the order of the lines, once each.
#[track_caller]
fn check(function: &str, places: &[(&str, &str)]) {
    let expected: Vec<_> = places
        .iter()
        .map(|(marker, word)| marked(marker, word))
        .collect();
    assert_eq!(called_from(function), expected, "{function}");
}

/// The statements of `function` that have no place of their own stand at its name.
#[track_caller]
fn check_at_name(function: &str, name: &str) {
    assert_eq!(called_from(function), [declared(name)], "{function}");
}

fn called_from(function: &str) -> Vec<Place> {
    let mut rows = rows_of(function);
    rows.sort_by_key(|row| (row.line, row.column));
    assert!(
        rows.iter().all(|row| row.calls == 1 && row.ok == 1),
        "once each: {rows:#?}"
    );
    rows.into_iter()
        .map(|row| Place {
            file: row.file.unwrap(),
            line: row.line,
            column: row.column,
        })
        .collect()
}

#[tokio::test]
async fn awaited_in_every_way() {
    #[track]
    async fn ways(pool: &SqlitePool) -> sqlx::Result<()> {
        let _ = sqlx::query("SELECT 1").execute(pool).await; // @plain
        sqlx::query("SELECT 2").execute(pool).await?; // @question mark
        sqlx::query("SELECT 3")
            .bind(1)
            .fetch_one(pool) // @broken line
            .await?;
        let later = sqlx::query("SELECT 4").execute(pool); // @awaited later
        later.await?;
        timeout(
            Duration::from_mins(1),
            sqlx::query("SELECT 5").execute(pool), // @timeout
        )
        .await
        .unwrap()?;
        let block = async { sqlx::query("SELECT 6").execute(pool).await }; // @block
        block.await?;
        let closure = || async { sqlx::query("SELECT 7").execute(pool).await }; // @closure
        closure().await?;
        let async_closure = async || sqlx::query("SELECT 8").execute(pool).await; // @async closure
        async_closure().await?;
        let ones: Vec<i64> = vec![sqlx::query_scalar("SELECT 9").fetch_one(pool).await?]; // @vec
        assert!(
            sqlx::query("SELECT 10")
                .fetch_optional(pool) // @assert
                .await?
                .is_some()
        );
        match ones.len() {
            1 => sqlx::query("SELECT 11").execute(pool).await?, // @arm
            _ => unreachable!(),
        };
        if let Some(row) = sqlx::query("SELECT 12")
            .fetch_optional(pool) // @if let
            .await?
        {
            row.try_get::<i64, _>(0)?;
        }
        Executor::execute(pool, "SELECT 13").await?; // @ufcs
        pool.execute("SELECT 14").await?; // @executor
        assert_eq!(sqlx::query("SELECT 15").fetch_all(pool).await?.len(), 1); // @assert_eq
        sqlx::query("SELECT 16").execute(pool).boxed().await?; // @boxed
        async move { sqlx::query("SELECT 17").execute(pool).await }.await?; // @async move
        let _ = ("äöü", sqlx::query("SELECT 18").execute(pool).await?); // @after umlauts
        Ok(())
    }
    ways(&*pool().await).await.unwrap();
    check(
        "places::awaited_in_every_way::ways",
        &[
            ("plain", "execute"),
            ("question mark", "execute"),
            ("broken line", "fetch_one"),
            ("awaited later", "execute"),
            ("timeout", "execute"),
            ("block", "execute"),
            ("closure", "execute"),
            ("async closure", "execute"),
            ("vec", "fetch_one"),
            ("assert", "fetch_optional"),
            ("arm", "execute"),
            ("if let", "fetch_optional"),
            ("ufcs", "execute"),
            ("executor", "execute"),
            ("assert_eq", "fetch_all"),
            ("boxed", "execute"),
            ("async move", "execute"),
            ("after umlauts", "execute"),
        ],
    );
}

#[tokio::test]
async fn side_by_side() {
    #[track]
    async fn beside(pool: &SqlitePool) -> sqlx::Result<()> {
        let (a, b) = tokio::join!(
            sqlx::query("SELECT 1").execute(pool), // @join 1
            sqlx::query("SELECT 2").execute(pool), // @join 2
        );
        let (_, _) = (a?, b?);
        let (_, _) = tokio::try_join!(
            sqlx::query("SELECT 3").execute(pool), // @try_join 1
            async { sqlx::query("SELECT 4").execute(pool).await }, // @try_join 2
        )?;
        let (_, _) = futures::join!(
            sqlx::query("SELECT 5").execute(pool), // @futures 1
            pool.execute("SELECT 6"),              // @futures 2
        );
        let all = join_all([
            sqlx::query("SELECT 7").execute(pool), // @join_all
        ]);
        all.await;
        tokio::select! {
            biased;
            result = sqlx::query("SELECT 8").execute(pool) => { // @select
                result?;
                sqlx::query("SELECT 9").execute(pool).await?; // @select handler
            }
            () = std::future::pending() => unreachable!(),
        }
        Ok(())
    }
    beside(&*pool().await).await.unwrap();
    check(
        "places::side_by_side::beside",
        &[
            ("join 1", "execute"),
            ("join 2", "execute"),
            ("try_join 1", "execute"),
            ("try_join 2", "execute"),
            ("futures 1", "execute"),
            ("futures 2", "execute"),
            ("join_all", "execute"),
            ("select", "execute"),
            ("select handler", "execute"),
        ],
    );
}

#[tokio::test]
async fn of_streams() {
    #[track]
    async fn read(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut rows = sqlx::query("SELECT 1").fetch(pool); // @stream
        while rows.try_next().await?.is_some() {
            // Between two rows of the first.
            sqlx::query("SELECT 2").execute(pool).await?; // @inside
        }
        pool.fetch("SELECT 3").try_collect::<Vec<_>>().await?; // @by executor
        sqlx::query_as::<_, (i64,)>("SELECT 4")
            .fetch(pool) // @collected
            .try_collect::<Vec<_>>()
            .await?;
        let mapped = sqlx::query("SELECT 6")
            .map(|row: SqliteRow| row.len())
            .fetch(pool); // @mapped
        assert_eq!(mapped.count().await, 1);
        let mut tx = pool.begin().await?;
        let ones: Vec<_> = sqlx::query_scalar::<_, i64>("SELECT 5")
            .fetch(&mut *tx) // @in transaction
            .try_collect()
            .await?;
        assert_eq!(ones, [1 + 4]);
        Ok(())
    }
    #[track]
    fn stream(pool: &SqlitePool) -> BoxStream<'_, sqlx::Result<SqliteRow>> {
        sqlx::query("SELECT 7").fetch(pool) // @returned
    }
    let pool = pool().await;
    read(&pool).await.unwrap();
    assert_eq!(stream(&pool).count().await, 1);
    check(
        "places::of_streams::read",
        &[
            ("stream", "fetch"),
            ("inside", "execute"),
            ("by executor", "fetch"),
            ("collected", "fetch"),
            ("mapped", "fetch"),
            ("in transaction", "fetch"),
        ],
    );
    check("places::of_streams::stream", &[("returned", "fetch")]);
}

#[tokio::test]
async fn in_transaction_closures() {
    #[track]
    async fn closure(pool: &SqlitePool) -> sqlx::Result<()> {
        let mut connection = pool.acquire().await?;
        connection
            .transaction(|tx| {
                Box::pin(async move {
                    sqlx::query("SELECT 1").execute(&mut **tx).await?; // @in closure
                    tx.execute("SELECT 2").await?; // @by executor in closure
                    sqlx::query("SELECT 3").fetch_one(&mut **tx).await // @in closure too
                })
            })
            .await?;
        Ok(())
    }
    closure(&*pool().await).await.unwrap();
    check(
        "places::in_transaction_closures::closure",
        &[
            ("in closure", "execute"),
            ("by executor in closure", "execute"),
            ("in closure too", "fetch_one"),
        ],
    );
}

#[tokio::test]
async fn of_helpers_without_a_place() {
    async fn helper(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 'helper'").execute(pool).await?;
        Ok(())
    }
    #[track]
    async fn calls_helper(pool: &SqlitePool) -> sqlx::Result<()> {
        helper(pool).await
    }
    let pool = pool().await;
    calls_helper(&pool).await.unwrap();
    check_at_name(
        "places::of_helpers_without_a_place::calls_helper",
        "calls_helper",
    );
    // Without any function around, the text alone is known.
    helper(&pool).await.unwrap();
    let rows = leash::snapshot().sites;
    let row = rows
        .iter()
        .find(|row| row.function.is_none() && row.sql == "SELECT 'helper'")
        .expect("counted by its text");
    assert_eq!((row.calls, row.line, &row.file), (1, 0, &None));
}

#[tokio::test]
async fn of_executors_that_are_handed_in() {
    #[track]
    async fn generic<'e>(executor: impl SqliteExecutor<'e>) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(executor).await?; // @handed in
        Ok(())
    }
    #[track]
    async fn acquiring<'a>(from: impl Acquire<'a, Database = sqlx::Sqlite>) -> sqlx::Result<()> {
        let mut connection = from.acquire().await?; // @acquired
        sqlx::query("SELECT 1").execute(&mut **connection).await?; // @acquired query
        Ok(())
    }
    let pool = pool().await;
    let mut tx = pool.begin().await.unwrap();
    generic(&mut *tx).await.unwrap();
    acquiring(&mut *tx).await.unwrap();
    check(
        "places::of_executors_that_are_handed_in::generic",
        &[("handed in", "execute")],
    );
    check(
        "places::of_executors_that_are_handed_in::acquiring",
        &[("acquired query", "execute")],
    );
}

#[tokio::test]
async fn of_handles() {
    #[track]
    async fn take(pool: &SqlitePool) -> sqlx::Result<Vec<(Place, Option<String>)>> {
        let name = pool.size();
        let plain = pool.acquire().await?; // @acquire
        let begun = pool.begin().await?; // @begin
        let tried = pool.try_acquire(); // @try
        let later = pool.acquire(); // @taken later
        let taken = later.await?;
        let through_trait = Acquire::acquire(pool).await?; // @through trait
        let all = leash::snapshot()
            .handles
            .into_iter()
            .filter(|handle| handle.site.file.ends_with("places.rs"));
        let places = all.filter(|handle| {
            handle.scope.as_deref() == Some("behaviour::places::of_handles::take")
        });
        let places = places
            .map(|handle| (Place::from(&handle.site), handle.site.function))
            .collect();
        drop((plain, begun, tried, taken, through_trait, name));
        Ok(places)
    }
    let pool = pool().await;
    pool.has_idle(1).await;
    // So that one is idle for `try_acquire`.
    {
        let all = join_all((0..3).map(|_| pool.acquire())).await;
        drop(all);
        pool.has_idle(3).await;
    }
    let places = take(&pool).await.unwrap();
    let expected = [
        ("acquire", "acquire"),
        ("begin", "begin"),
        ("try", "try_acquire"),
        ("taken later", "acquire"),
        ("through trait", "acquire"),
    ];
    let function = Some(full_name("places::of_handles::take"));
    assert_eq!(
        places,
        expected.map(|(marker, word)| (marked(marker, word), function.clone()))
    );
}

mod deep {
    use super::{Executor, SqlitePool, track};

    pub(super) struct Repo<T>(pub(super) T);

    #[track]
    impl<T> Repo<T> {
        pub(super) async fn inherent(&self, pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 1").await?;
            Ok(())
        }

        pub(super) async fn associated(pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 1").await?;
            Ok(())
        }

        #[track(name = "repo.named")]
        pub(super) async fn named(&self, pool: &SqlitePool) -> sqlx::Result<()> {
            pool.execute("SELECT 'named'").await?;
            Ok(())
        }
    }
}

trait Finder {
    fn find(&self, pool: &SqlitePool) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn find_boxed<'a>(&'a self, pool: &'a SqlitePool) -> BoxFuture<'a, sqlx::Result<()>>;
}

#[track]
impl Finder for deep::Repo<Vec<u8>> {
    async fn find(&self, pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @trait
        Ok(())
    }

    fn find_boxed<'a>(
        &'a self,
        pool: &'a SqlitePool,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>> {
        Box::pin(async move {
            sqlx::query("SELECT 2").execute(pool).await?; // @trait boxed
            Ok(())
        })
    }
}

#[track]
trait WithDefault {
    fn pool(&self) -> &SqlitePool;

    async fn by_default(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(self.pool()).await?; // @default body
        Ok(())
    }
}

impl WithDefault for TestPool {
    fn pool(&self) -> &SqlitePool {
        self
    }
}

#[tokio::test]
async fn names_of_functions() {
    let pool = pool().await;
    let repo = deep::Repo(Vec::<u8>::new());
    repo.inherent(&pool).await.unwrap();
    deep::Repo::<String>::associated(&pool).await.unwrap();
    repo.named(&pool).await.unwrap();
    repo.find(&pool).await.unwrap();
    repo.find_boxed(&pool).await.unwrap();
    pool.by_default().await.unwrap();
    assert_eq!(rows_of("places::deep::Repo::inherent").len(), 1);
    assert_eq!(rows_of("places::deep::Repo::associated").len(), 1);
    let named = leash::snapshot()
        .sites
        .into_iter()
        .find(|row| row.sql == "SELECT 'named'")
        .unwrap();
    assert_eq!(named.function.as_deref(), Some("repo.named"));
    check("<Repo as Finder>::find", &[("trait", "execute")]);
    check(
        "<Repo as Finder>::find_boxed",
        &[("trait boxed", "execute")],
    );
    check(
        "places::WithDefault::by_default",
        &[("default body", "execute")],
    );
}

#[async_trait]
trait Stored {
    async fn above(&self) -> sqlx::Result<()>;
    async fn below(&self) -> sqlx::Result<()>;
}

struct Above(SqlitePool);
struct Below(SqlitePool);

#[track]
#[async_trait]
impl Stored for Above {
    async fn above(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&self.0).await?; // @above 1
        Ok(())
    }

    async fn below(&self) -> sqlx::Result<()> {
        tokio::try_join!(self.0.execute("SELECT 2"), async { Ok(()) })?; // @above 2
        Ok(())
    }
}

#[async_trait]
#[track]
impl Stored for Below {
    async fn above(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&self.0).await?; // @below 1
        Ok(())
    }

    async fn below(&self) -> sqlx::Result<()> {
        tokio::try_join!(self.0.execute("SELECT 2"), async { Ok(()) })?; // @below 2
        Ok(())
    }
}

#[tokio::test]
async fn beside_async_trait() {
    let pool = pool().await;
    for stored in [&Above(pool.clone()) as &dyn Stored, &Below(pool.clone())] {
        stored.above().await.unwrap();
        stored.below().await.unwrap();
    }
    check("<Above as Stored>::above", &[("above 1", "execute")]);
    check("<Above as Stored>::below", &[("above 2", "execute")]);
    check("<Below as Stored>::above", &[("below 1", "execute")]);
    check("<Below as Stored>::below", &[("below 2", "execute")]);
}

#[tokio::test]
async fn beside_instrument() {
    #[track]
    #[instrument(skip_all)]
    async fn track_above(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @track above
        Ok(())
    }
    #[instrument(skip_all)]
    #[track]
    async fn track_below(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(pool).await?; // @track below
        Ok(())
    }
    let pool = pool().await;
    track_above(&pool).await.unwrap();
    track_below(&pool).await.unwrap();
    check(
        "places::beside_instrument::track_above",
        &[("track above", "execute")],
    );
    check(
        "places::beside_instrument::track_below",
        &[("track below", "execute")],
    );
}

/// Futures go from thread to thread between their polls.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn across_threads() {
    #[track]
    async fn left(pool: &SqlitePool) {
        sqlx::query(HUNDRED).fetch_all(pool).await.unwrap(); // @left 1
        tokio::task::yield_now().await;
        sqlx::query(HUNDRED).fetch(pool).count().await; // @left 2
    }
    #[track]
    async fn right(pool: &SqlitePool) {
        tokio::join!(left(pool), async {
            for _ in 0..2 {
                sqlx::query(HUNDRED).fetch_one(pool).await.unwrap(); // @right
            }
        });
    }
    let pool = pool().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = (*pool).clone();
            tokio::spawn(async move { right(&pool).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counted = |function: &str| -> Vec<_> {
        rows_of(function)
            .into_iter()
            .map(|row| (row.line, row.column, row.calls, row.ok))
            .collect()
    };
    let (one, two, other) = (
        marked("left 1", "fetch_all"),
        marked("left 2", "fetch"),
        marked("right", "fetch_one"),
    );
    assert_eq!(
        counted("places::across_threads::left"),
        [
            (one.line, one.column, 50, 50),
            (two.line, two.column, 50, 50)
        ]
    );
    assert_eq!(
        counted("places::across_threads::right"),
        [(other.line, other.column, 100, 100)]
    );
}

/// A call with a name of sqlx's on something that is the user's own.
#[tokio::test]
async fn of_methods_that_are_called_alike() {
    struct Repo(SqlitePool);
    impl Repo {
        async fn execute(&self, number: i64) -> sqlx::Result<i64> {
            sqlx::query_scalar("SELECT ?")
                .bind(number)
                .fetch_one(&self.0)
                .await
        }
    }
    #[track]
    async fn alike(repo: &Repo) -> sqlx::Result<i64> {
        let doubled = async { sqlx::query_scalar("SELECT 2").fetch_one(&repo.0).await }; // @own
        let two: i64 = doubled.await?;
        Ok(repo.execute(two).await?) // @called alike
    }
    let repo = Repo(pool().await.clone());
    assert_eq!(alike(&repo).await.unwrap(), 2);
    check(
        "places::of_methods_that_are_called_alike::alike",
        &[("own", "fetch_one"), ("called alike", "execute")],
    );
}
