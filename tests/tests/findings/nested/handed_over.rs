//! A handle that a callee gives in any form is known to be in its caller's hands until that passes it on.

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::leash::{Certainty, Lint};
use sqlx::{SqlitePool, track};
use tokio::sync::mpsc;

use crate::common::{Tx, assert_none, bare_pool_of, marked, only_of, rendered};

use super::{Result, found};

type Job = (Tx, i64);

struct Opened {
    tx: Tx,
    id: i64,
}

struct Ext(Tx);

#[track]
async fn dequeue(pool: &SqlitePool) -> sqlx::Result<Option<Job>> {
    let mut tx = pool.begin().await?; // @dequeue
    let id = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
    Ok(Some((tx, id)))
}

#[track]
async fn open(pool: &SqlitePool) -> sqlx::Result<Opened> {
    let (tx, id) = dequeue(pool).await?.expect("a job");
    Ok(Opened { tx, id })
}

#[track]
async fn extract(pool: &SqlitePool) -> sqlx::Result<Ext> {
    Ok(Ext(open(pool).await?.tx))
}

#[track]
async fn payload(pool: &SqlitePool, id: i64) -> sqlx::Result<i64> {
    let query = sqlx::query_scalar("SELECT ?").bind(id);
    query.fetch_one(pool).await // @payload
}

#[track]
async fn finish(tx: Tx) -> Result {
    tx.commit().await
}

#[track]
async fn by_let_else(pool: &SqlitePool) -> Result {
    let Some((tx, id)) = dequeue(pool).await? else {
        return Ok(());
    };
    payload(pool, id).await?;
    finish(tx).await
}

#[track]
async fn by_tuple(pool: &SqlitePool) -> Result {
    let (tx, id) = dequeue(pool).await?.expect("a job");
    payload(pool, id).await?;
    tx.commit().await
}

#[track]
async fn by_value(pool: &SqlitePool) -> Result {
    let job = dequeue(pool).await?.expect("a job");
    payload(pool, job.1).await?;
    finish(job.0).await
}

#[track]
async fn by_match(pool: &SqlitePool) -> Result {
    match dequeue(pool).await? {
        Some((tx, id)) => {
            payload(pool, id).await?;
            finish(tx).await
        }
        None => Ok(()),
    }
}

#[track]
async fn by_if_let(pool: &SqlitePool) -> Result {
    if let Some((tx, id)) = dequeue(pool).await? {
        payload(pool, id).await?;
        finish(tx).await?;
    }
    Ok(())
}

#[track]
#[expect(clippy::never_loop, reason = "one job is enough")]
async fn by_while_let(pool: &SqlitePool) -> Result {
    while let Some((tx, id)) = dequeue(pool).await? {
        payload(pool, id).await?;
        finish(tx).await?;
        break;
    }
    Ok(())
}

#[track]
async fn by_field(pool: &SqlitePool) -> Result {
    let opened = open(pool).await?;
    payload(pool, opened.id).await?;
    opened.tx.commit().await
}

#[track]
async fn by_struct(pool: &SqlitePool) -> Result {
    let Opened { mut tx, id } = open(pool).await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    payload(pool, id).await?;
    finish(tx).await
}

#[track]
async fn by_map(pool: &SqlitePool) -> Result {
    let tx = open(pool).await.map(|opened| opened.tx)?;
    payload(pool, 3).await?;
    finish(tx).await
}

#[track]
async fn by_tuple_struct(pool: &SqlitePool) -> Result {
    let Ext(mut c) = extract(pool).await?;
    sqlx::query("SELECT 1").execute(&mut *c).await?;
    payload(pool, 3).await?;
    c.rollback().await
}

#[track]
#[expect(clippy::manual_let_else, reason = "the form is what is tested")]
async fn by_a_match_that_returns(pool: &SqlitePool) -> Result {
    let job = match dequeue(pool).await? {
        Some(job) => job,
        None => return Ok(()),
    };
    payload(pool, 3).await?;
    finish(job.0).await
}

#[track]
#[tracing::instrument(skip_all, err)]
async fn instrumented(pool: &SqlitePool) -> Result {
    let Some((tx, id)) = dequeue(pool).await? else {
        return Ok(());
    };
    payload(pool, id).await?;
    finish(tx).await
}

#[track]
#[tracing::instrument(skip_all, fields(id = tracing::field::Empty), err)]
async fn a_worker(pool: &SqlitePool) -> sqlx::Result<bool> {
    let task = dequeue(pool).await?;
    if task.is_none() {
        return Ok(false);
    }
    let (transaction, id) = task.unwrap();
    tracing::Span::current().record("id", tracing::field::display(id));
    match u8::try_from(id) {
        Ok(small) => {
            let found = payload(pool, id).await?;
            if found != i64::from(small) {
                tracing::error!(found, "not the same");
            }
        }
        Err(error) => tracing::error!(%error, "skipped"),
    }
    finish(transaction).await?;
    Ok(true)
}

#[track]
async fn works(pool: &SqlitePool) -> Result {
    a_worker(pool).await.map(drop)
}

#[derive(Default)]
struct Lazy {
    tx: Option<Tx>,
}

#[track]
impl Lazy {
    async fn begin_and_end(&mut self, pool: &SqlitePool) -> Result {
        self.tx = Some(open(pool).await?.tx);
        payload(pool, 3).await?;
        finish(self.tx.take().expect("just begun")).await
    }
}

/// The callee that has it by value queries the pool.
#[track]
async fn finish_and_query(pool: &SqlitePool, tx: Tx) -> Result {
    payload(pool, 3).await?;
    tx.commit().await
}

#[track]
async fn within_the_call_that_takes_it(pool: &SqlitePool) -> Result {
    let (tx, _) = dequeue(pool).await?.expect("a job");
    finish_and_query(pool, tx).await
}

#[track]
async fn passed_on_at_once(pool: &SqlitePool) -> Result {
    finish_and_query(pool, open(pool).await?.tx).await
}

#[async_trait]
trait Queue: Sync {
    async fn dequeue(&self) -> sqlx::Result<Option<Job>>;
    async fn payload(&self, id: i64) -> sqlx::Result<i64>;
}

#[track]
#[async_trait]
impl Queue for SqlitePool {
    async fn dequeue(&self) -> sqlx::Result<Option<Job>> {
        dequeue(self).await
    }

    async fn payload(&self, id: i64) -> sqlx::Result<i64> {
        payload(self, id).await
    }
}

/// The `.await` of a boxed future is not seen by what it polls.
#[track]
async fn boxed(queue: &dyn Queue) -> Result {
    let Some((tx, id)) = queue.dequeue().await? else {
        return Ok(());
    };
    queue.payload(id).await?;
    finish(tx).await
}

#[tokio::test]
async fn a_query_of_the_pool_meanwhile_is_found() {
    let pool = bare_pool_of(5).await;
    let queue: &dyn Queue = &*pool;
    let mut lazy = Lazy::default();
    let forms: [(&str, BoxFuture<'_, Result>); 17] = [
        ("worker", Box::pin(works(&pool))),
        ("field of self", Box::pin(lazy.begin_and_end(&pool))),
        ("let else", Box::pin(by_let_else(&pool))),
        ("tuple", Box::pin(by_tuple(&pool))),
        ("value", Box::pin(by_value(&pool))),
        ("match", Box::pin(by_match(&pool))),
        ("if let", Box::pin(by_if_let(&pool))),
        ("while let", Box::pin(by_while_let(&pool))),
        ("field", Box::pin(by_field(&pool))),
        ("struct", Box::pin(by_struct(&pool))),
        ("map", Box::pin(by_map(&pool))),
        ("tuple struct", Box::pin(by_tuple_struct(&pool))),
        (
            "match that returns",
            Box::pin(by_a_match_that_returns(&pool)),
        ),
        ("instrumented", Box::pin(instrumented(&pool))),
        (
            "by the callee",
            Box::pin(within_the_call_that_takes_it(&pool)),
        ),
        ("at once", Box::pin(passed_on_at_once(&pool))),
        ("boxed", Box::pin(boxed(queue))),
    ];
    for (form, program) in forms {
        let found = found(program).await;
        assert_eq!(found.len(), 2, "{form}: {}", rendered(&found));
        for lint in [Lint::NestedAcquire, Lint::OutsideTransaction] {
            let finding = only_of(lint, &found);
            let all = finding.render();
            assert_eq!(finding.certainty, Certainty::Likely, "{form}: {all}");
            let (second, first) = (marked("payload", "fetch_one"), marked("dequeue", "begin"));
            assert_eq!(finding.primary.line, second.line, "{form}: {all}");
            assert_eq!(finding.related[0].site.line, first.line, "{form}: {all}");
        }
    }
}

#[track]
async fn ends_it_before(pool: &SqlitePool) -> Result {
    let Some((tx, id)) = dequeue(pool).await? else {
        return Ok(());
    };
    finish(tx).await?;
    payload(pool, id).await?;
    Ok(())
}

#[track]
async fn queries_before(pool: &SqlitePool) -> Result {
    payload(pool, 3).await?;
    if let Some((tx, _)) = dequeue(pool).await? {
        finish(tx).await?;
    }
    payload(pool, 3).await?;
    Ok(())
}

#[track]
async fn passes_it_down(pool: &SqlitePool) -> Result {
    let Opened { mut tx, id } = open(pool).await?;
    let on = &mut *tx;
    let _: i64 = sqlx::query_scalar("SELECT ?")
        .bind(id)
        .fetch_one(on)
        .await?;
    tx.commit().await
}

#[track(allow(outlived_scope, reason = "the queue has it"))]
async fn sends_it_away(pool: &SqlitePool, queue: &mpsc::Sender<Job>) -> Result {
    let Some(job) = dequeue(pool).await? else {
        return Ok(());
    };
    queue.send(job).await.expect("the queue is open");
    payload(pool, 3).await?;
    Ok(())
}

#[track(allow(outlived_scope, reason = "the queue has it"))]
async fn sends_one_of_two_away(pool: &SqlitePool, queue: &mpsc::UnboundedSender<Tx>) -> Result {
    let (tx, id) = dequeue(pool).await?.expect("a job");
    queue.send(tx).expect("the queue is open");
    payload(pool, id).await?;
    Ok(())
}

#[track(allow(outlived_scope, reason = "the queue has it"))]
async fn sends_its_own_away(pool: &SqlitePool, queue: &mpsc::UnboundedSender<Tx>) -> Result {
    let tx = pool.begin().await?;
    queue.send(tx).expect("the queue is open");
    payload(pool, 3).await?;
    Ok(())
}

#[track(allow(outlived_scope, reason = "the queue has it"))]
async fn sends_it_where_it_returns(
    pool: &SqlitePool,
    queue: &mpsc::UnboundedSender<Tx>,
    busy: bool,
) -> Result {
    let (tx, id) = dequeue(pool).await?.expect("a job");
    if busy {
        queue.send(tx).expect("the queue is open");
        payload(pool, id).await?;
        return Ok(());
    }
    finish(tx).await
}

#[tokio::test]
async fn once_it_has_ended_or_was_passed_on_nothing_is_found() {
    let pool = bare_pool_of(9).await;
    let (jobs, mut queued) = mpsc::channel(9);
    let (txs, mut others) = mpsc::unbounded_channel();
    let near_misses: [BoxFuture<'_, Result>; 7] = [
        Box::pin(ends_it_before(&pool)),
        Box::pin(queries_before(&pool)),
        Box::pin(passes_it_down(&pool)),
        Box::pin(sends_it_away(&pool, &jobs)),
        Box::pin(sends_one_of_two_away(&pool, &txs)),
        Box::pin(sends_its_own_away(&pool, &txs)),
        Box::pin(sends_it_where_it_returns(&pool, &txs, true)),
    ];
    for near_miss in near_misses {
        let ended = async {
            near_miss.await?;
            while let Ok((tx, _)) = queued.try_recv() {
                finish(tx).await?;
            }
            while let Ok(tx) = others.try_recv() {
                finish(tx).await?;
            }
            Ok(())
        };
        assert_none(&found(ended).await);
    }
}
