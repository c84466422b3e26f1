//! Attributes that wrap a body whole, beside `#[track]` in either order: what is found is the same, and as certain.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::{SqliteConnection, SqlitePool, track};
use tracing::{Instrument as _, instrument};

use crate::common::{TestPool, assert_none, bare_pool_of, marked, only_of, related, rendered};

type Result = sqlx::Result<()>;

#[track]
async fn setting(pool: &SqlitePool) -> Result {
    sqlx::query("SELECT 7").execute(pool).await?; // @setting
    Ok(())
}

#[track]
#[instrument(skip_all)]
async fn above(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @above
    sqlx::query("SELECT 7").execute(&mut *tx).await?;
    setting(pool).await?;
    tx.commit().await
}

#[instrument(skip_all)]
#[track]
async fn below(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?; // @below
    sqlx::query("SELECT 7").execute(&mut *tx).await?;
    setting(pool).await?;
    tx.commit().await
}

#[track]
#[instrument(skip(pool), err, fields(seven = 3 + 4))]
async fn with_err(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @err
    setting(pool).await?;
    tx.commit().await
}

#[instrument(skip(pool), ret, level = "debug", name = "another")]
#[track]
async fn with_ret(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @ret
    setting(pool).await?;
    tx.commit().await
}

#[tracing::instrument(
    skip_all,
    err(Debug, level = "warn"),
    ret,
    follows_from = Vec::<tracing::Id>::new()
)]
#[track]
async fn with_all(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @all
    setting(pool).await?;
    tx.commit().await
}

#[instrument(skip_all)]
#[track]
#[instrument(skip_all, name = "inner", err)]
async fn twice(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?; // @twice
    setting(pool).await?;
    tx.commit().await
}

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    #[instrument(skip(self), err)]
    async fn method(&self) -> Result {
        let tx = self.pool.begin().await?; // @method
        setting(&self.pool).await?;
        tx.commit().await
    }

    #[track(max_queries = 9)]
    #[instrument(skip(self))]
    async fn method_with_options(&self) -> Result {
        let tx = self.pool.begin().await?; // @options
        setting(&self.pool).await?;
        tx.commit().await
    }

    #[instrument(skip(self))]
    fn boxed(&self) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let tx = self.pool.begin().await?; // @boxed
            setting(&self.pool).await?;
            tx.commit().await
        })
    }

    #[instrument(skip(self))]
    fn returned(&self) -> impl Future<Output = Result> + Send {
        async move {
            let tx = self.pool.begin().await?; // @returned
            setting(&self.pool).await?;
            tx.commit().await
        }
    }
}

#[async_trait]
trait Jobs {
    async fn plain(&self) -> Result;
    async fn instrumented(&self, times: u8) -> Result;
    async fn of_one(&self) -> Result;
}

#[track]
#[async_trait]
impl Jobs for Repo {
    async fn plain(&self) -> Result {
        let tx = self.pool.begin().await?; // @plain of trait
        setting(&self.pool).await?;
        tx.commit().await
    }

    #[instrument(skip(self), err)]
    async fn instrumented(&self, mut times: u8) -> Result {
        times -= 1;
        let tx = self.pool.begin().await?; // @instrumented of trait
        setting(&self.pool).await?;
        tracing::debug!(times);
        tx.commit().await
    }

    #[track(name = "one")]
    #[instrument(skip(self), ret)]
    async fn of_one(&self) -> Result {
        let tx = self.pool.begin().await?; // @one of trait
        setting(&self.pool).await?;
        tx.commit().await
    }
}

/// The attributes in the other order.
struct Reversed(Repo);

#[async_trait]
#[track]
impl Jobs for Reversed {
    async fn plain(&self) -> Result {
        let pool = &self.0.pool;
        let tx = pool.begin().await?; // @plain reversed
        setting(pool).await?;
        tx.commit().await
    }

    #[instrument(skip(self), err)]
    async fn instrumented(&self, times: u8) -> Result {
        let pool = &self.0.pool;
        let tx = pool.begin().await?; // @instrumented reversed
        setting(pool).await?;
        tracing::debug!(times);
        tx.commit().await
    }

    #[instrument(skip(self), ret)]
    #[track(name = "one")]
    async fn of_one(&self) -> Result {
        let pool = &self.0.pool;
        let tx = pool.begin().await?; // @one reversed
        setting(pool).await?;
        tx.commit().await
    }
}

#[track]
async fn by_hand(pool: &SqlitePool) -> Result {
    let span = tracing::info_span!("by hand");
    let work = async move {
        let tx = pool.begin().await?; // @by hand
        setting(pool).await?;
        tx.commit().await
    };
    work.instrument(span).await
}

#[track]
fn pinned(pool: &SqlitePool) -> Pin<Box<dyn Future<Output = Result> + Send + '_>> {
    let span = tracing::info_span!("pinned");
    Box::pin(
        async move {
            let tx = pool.begin().await?; // @pinned
            setting(pool).await?;
            tx.commit().await
        }
        .instrument(span),
    )
}

/// Each program, with the marker of the line on which it begins its transaction.
fn programs(repo: &Repo) -> Vec<(&'static str, BoxFuture<'_, Result>)> {
    let pool = &repo.pool;
    vec![
        ("above", Box::pin(above(pool))),
        ("below", Box::pin(below(pool))),
        ("err", Box::pin(with_err(pool))),
        ("ret", Box::pin(with_ret(pool))),
        ("all", Box::pin(with_all(pool))),
        ("twice", Box::pin(twice(pool))),
        ("method", Box::pin(repo.method())),
        ("options", Box::pin(repo.method_with_options())),
        ("boxed", Box::pin(repo.boxed())),
        ("returned", Box::pin(repo.returned())),
        ("plain of trait", repo.plain()),
        ("instrumented of trait", repo.instrumented(1)),
        ("one of trait", repo.of_one()),
        ("by hand", Box::pin(by_hand(pool))),
        ("pinned", Box::pin(pinned(pool))),
    ]
}

#[track_caller]
fn assert_certain(marker: &str, lint: Lint, found: &[Finding]) {
    let finding = only_of(lint, found);
    let all = finding.render();
    assert_eq!(finding.certainty, Certainty::Certain, "{marker}: {all}");
    assert_eq!(
        finding.primary.line,
        marked("setting", "execute").line,
        "{marker}: {all}"
    );
    related(finding, &marked(marker, "begin"));
}

async fn finds_both(marker: &str, program: BoxFuture<'_, Result>) {
    let (ended, found) = findings(program).await;
    ended.unwrap();
    assert_eq!(found.len(), 2, "{marker}: {}", rendered(&found));
    assert_certain(marker, Lint::NestedAcquire, &found);
    assert_certain(marker, Lint::OutsideTransaction, &found);
}

async fn finds_deadlock(pool: &TestPool, marker: &str, program: BoxFuture<'_, Result>) {
    let run = async {
        tokio::select! {
            biased;
            _ = pool.first_of(Lint::PoolDeadlock) => {}
            ended = program => panic!("{marker}: it ended: {ended:?}"),
        }
    };
    let ((), found) = findings(Box::pin(run)).await;
    assert_certain(marker, Lint::PoolDeadlock, &found);
}

#[tokio::test]
async fn a_query_beside_the_open_transaction_is_found() {
    let pool = bare_pool_of(5).await;
    let repo = Repo {
        pool: SqlitePool::clone(&pool),
    };
    for (marker, program) in programs(&repo) {
        finds_both(marker, program).await;
    }
    let reversed = Reversed(repo);
    finds_both("plain reversed", reversed.plain()).await;
    finds_both("instrumented reversed", reversed.instrumented(1)).await;
    finds_both("one reversed", reversed.of_one()).await;
}

#[tokio::test]
async fn a_deadlock_is_certain_at_the_wait() {
    for index in 0..15 {
        let pool = bare_pool_of(1).await;
        let repo = Repo {
            pool: SqlitePool::clone(&pool),
        };
        let (marker, program) = programs(&repo).swap_remove(index);
        finds_deadlock(&pool, marker, program).await;
    }
}

/// A subscriber enables the spans, so that the other branch of what `#[instrument]` writes runs.
#[tokio::test]
async fn with_an_enabled_span_the_same_is_found() {
    let pool = bare_pool_of(5).await;
    let repo = Repo {
        pool: SqlitePool::clone(&pool),
    };
    let _enabled = tracing::subscriber::set_default(tracing_subscriber::registry());
    for (marker, program) in programs(&repo) {
        finds_both(marker, program).await;
    }
}

#[track]
#[instrument(skip_all)]
async fn setting_of(conn: &mut SqliteConnection) -> Result {
    sqlx::query("SELECT 7").execute(conn).await?;
    Ok(())
}

#[instrument(skip_all, err)]
#[track]
async fn passes_the_connection(pool: &SqlitePool) -> Result {
    let mut tx = pool.begin().await?;
    setting_of(&mut tx).await?;
    tx.commit().await
}

#[track]
#[instrument(skip_all, ret)]
async fn commits_before(pool: &SqlitePool) -> Result {
    let tx = pool.begin().await?;
    tx.commit().await?;
    setting(pool).await
}

#[track]
#[instrument(skip_all)]
async fn runs_beside_itself(pool: &SqlitePool) -> Result {
    let holds = async {
        let conn = pool.acquire().await?;
        tokio::task::yield_now().await;
        drop(conn);
        Ok::<_, sqlx::Error>(())
    };
    tokio::try_join!(holds.instrument(tracing::info_span!("one")), setting(pool))?;
    Ok(())
}

#[track]
#[instrument(skip_all)]
async fn gives_it_to_a_task(pool: &SqlitePool) -> Result {
    let conn = pool.acquire().await?;
    let task = tokio::spawn(
        async move {
            tokio::task::yield_now().await;
            drop(conn);
        }
        .instrument(tracing::info_span!("task")),
    );
    setting(pool).await?;
    task.await.unwrap();
    Ok(())
}

#[tokio::test]
async fn near_misses_stay_silent() {
    let pool = bare_pool_of(5).await;
    let programs: [BoxFuture<'_, Result>; 4] = [
        Box::pin(passes_the_connection(&pool)),
        Box::pin(commits_before(&pool)),
        Box::pin(runs_beside_itself(&pool)),
        Box::pin(gives_it_to_a_task(&pool)),
    ];
    for program in programs {
        let (ended, found) = findings(program).await;
        ended.unwrap();
        assert_none(&found);
    }
}
