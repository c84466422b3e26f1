//! `outlived_scope` fires: wherever a handle goes when the function that took it has returned.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::leash::{self, ScopeExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Acquire, Executor, QueryBuilder, Row, Sqlite, SqlitePool, track};
use tokio::sync::oneshot;

use crate::common::{HUNDRED, TestPool, Tx, declared, leaks, of_leaks, poll_until, pool};

type Rows = BoxStream<'static, sqlx::Result<SqliteRow>>;

#[tokio::test]
async fn into_a_field() {
    struct Service {
        pool: TestPool,
        kept: Mutex<Option<Tx>>,
    }
    #[track]
    impl Service {
        async fn keep_in_field(&self) -> sqlx::Result<()> {
            let tx = self.pool.begin().await?; // @field
            *self.kept.lock().unwrap() = Some(tx);
            Ok(())
        }
    }
    let service = Service {
        pool: pool().await,
        kept: Mutex::default(),
    };
    let name = "leaks::into_a_field::Service::keep_in_field";
    leaks("field", "begin", name, service.keep_in_field())
        .await
        .0
        .unwrap();
}

#[tokio::test]
async fn into_a_field_of_a_mutable_self() {
    struct Service {
        pool: TestPool,
        kept: Option<Tx>,
    }
    #[track]
    impl Service {
        async fn keep_in_self(&mut self) {
            self.kept = Some(self.pool.begin().await.unwrap()); // @self
        }
    }
    let mut service = Service {
        pool: pool().await,
        kept: None,
    };
    let name = "leaks::into_a_field_of_a_mutable_self::Service::keep_in_self";
    leaks("self", "begin", name, service.keep_in_self()).await;
    assert!(service.kept.is_some());
}

#[tokio::test]
async fn into_a_static() {
    static KEPT: OnceLock<Mutex<Vec<Tx>>> = OnceLock::new();
    #[track]
    async fn keep_in_static(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap(); // @static
        KEPT.get_or_init(Mutex::default).lock().unwrap().push(tx);
    }
    leaks(
        "static",
        "begin",
        "leaks::into_a_static::keep_in_static",
        keep_in_static(&*pool().await),
    )
    .await;
}

#[tokio::test]
async fn into_a_vec_of_the_caller() {
    #[track]
    async fn push(pool: &SqlitePool, kept: &mut Vec<Tx>) -> usize {
        kept.push(pool.begin().await.unwrap()); // @vec
        kept.len()
    }
    let mut kept = Vec::new();
    let (len, _) = leaks(
        "vec",
        "begin",
        "leaks::into_a_vec_of_the_caller::push",
        push(&*pool().await, &mut kept),
    )
    .await;
    assert_eq!(len, 1);
}

#[tokio::test]
async fn into_a_slot_of_the_caller() {
    #[track]
    async fn fill(pool: &SqlitePool, slot: &mut Option<Tx>) {
        *slot = Some(pool.begin().await.unwrap()); // @slot
    }
    let mut slot = None;
    leaks(
        "slot",
        "begin",
        "leaks::into_a_slot_of_the_caller::fill",
        fill(&*pool().await, &mut slot),
    )
    .await;
    assert!(slot.is_some());
}

#[tokio::test]
async fn into_a_channel() {
    #[track]
    async fn send(pool: &SqlitePool, sender: mpsc::Sender<Tx>) {
        let tx = pool.begin().await.unwrap(); // @channel
        sender.send(tx).unwrap();
    }
    let (sender, receiver) = mpsc::channel();
    leaks(
        "channel",
        "begin",
        "leaks::into_a_channel::send",
        send(&*pool().await, sender),
    )
    .await;
    drop(receiver);
}

#[tokio::test]
async fn into_an_async_channel() {
    #[track]
    async fn offer(pool: &SqlitePool, sender: &tokio::sync::mpsc::UnboundedSender<Tx>) -> bool {
        let tx = pool.begin().await.unwrap(); // @async channel
        sender.send(tx).is_ok()
    }
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let name = "leaks::into_an_async_channel::offer";
    let (sent, _) = leaks(
        "async channel",
        "begin",
        name,
        offer(&*pool().await, &sender),
    )
    .await;
    assert!(sent);
    receiver.recv().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn into_a_spawned_task() {
    #[track]
    async fn hand_to_task(pool: &SqlitePool, done: oneshot::Receiver<()>) {
        let tx = pool.begin().await.unwrap(); // @task
        tokio::spawn(async move {
            let _ = done.await;
            tx.commit().await.unwrap();
        });
    }
    let (finish, done) = oneshot::channel();
    let name = "leaks::into_a_spawned_task::hand_to_task";
    leaks("task", "begin", name, hand_to_task(&*pool().await, done)).await;
    drop(finish);
}

#[tokio::test]
async fn into_a_thread() {
    #[track]
    async fn hand_to_thread(pool: &SqlitePool, done: mpsc::Receiver<()>) {
        let connection = pool.acquire().await.unwrap(); // @thread
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let _ = done.recv();
            let _inside = runtime.enter();
            drop(connection);
        });
    }
    let (finish, done) = mpsc::channel();
    leaks(
        "thread",
        "acquire",
        "leaks::into_a_thread::hand_to_thread",
        hand_to_thread(&*pool().await, done),
    )
    .await;
    drop(finish);
}

#[tokio::test]
async fn into_a_cycle_of_rc() {
    #[derive(Default)]
    struct Node {
        itself: RefCell<Option<Rc<Node>>>,
        tx: RefCell<Option<Tx>>,
    }
    #[track]
    async fn tie_rc(pool: &SqlitePool) {
        let node = Rc::new(Node::default());
        *node.itself.borrow_mut() = Some(Rc::clone(&node));
        let tx = pool.begin().await.unwrap(); // @rc
        *node.tx.borrow_mut() = Some(tx);
    }
    leaks(
        "rc",
        "begin",
        "leaks::into_a_cycle_of_rc::tie_rc",
        tie_rc(&*pool().await),
    )
    .await;
}

#[tokio::test]
async fn into_a_cycle_of_arc() {
    #[derive(Default)]
    struct Node {
        itself: Mutex<Option<Arc<Node>>>,
        held: Mutex<Option<PoolConnection<Sqlite>>>,
    }
    #[track]
    async fn tie_arc(pool: &SqlitePool) -> sqlx::Result<u64> {
        let node = Arc::new(Node::default());
        *node.itself.lock().unwrap() = Some(Arc::clone(&node));
        let held = pool.acquire().await?; // @arc
        *node.held.lock().unwrap() = Some(held);
        Ok(1)
    }
    leaks(
        "arc",
        "acquire",
        "leaks::into_a_cycle_of_arc::tie_arc",
        tie_arc(&*pool().await),
    )
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn forgotten() {
    #[track]
    #[expect(clippy::mem_forget, reason = "it is what is tested")]
    async fn forget(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?; // @forget
        let one = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        std::mem::forget(tx);
        Ok(one)
    }
    let (one, _) = leaks(
        "forget",
        "begin",
        "leaks::forgotten::forget",
        forget(&*pool().await),
    )
    .await;
    assert_eq!(one.unwrap(), 1);
}

#[tokio::test]
async fn leaked_in_a_box() {
    #[track]
    async fn leak_box(pool: &SqlitePool) -> String {
        let tx: &'static mut Tx = Box::leak(Box::new(pool.begin().await.unwrap())); // @box
        sqlx::query_scalar("SELECT 'kept'")
            .fetch_one(&mut **tx)
            .await
            .unwrap()
    }
    leaks(
        "box",
        "begin",
        "leaks::leaked_in_a_box::leak_box",
        leak_box(&*pool().await),
    )
    .await;
}

#[tokio::test]
async fn a_connection_leaked_without_a_reason() {
    #[track]
    async fn leak_it(pool: &SqlitePool) -> sqlx::Result<()> {
        let connection = pool.acquire().await?; // @leak
        let mut plain = connection.leak();
        plain.execute("SELECT 1").await?;
        Ok(())
    }
    let pool = pool().await;
    let name = "leaks::a_connection_leaked_without_a_reason::leak_it";
    leaks("leak", "acquire", name, leak_it(&pool))
        .await
        .0
        .unwrap();
    assert_eq!(pool.stats().leaked, 1);
}

#[tokio::test]
async fn a_connection_kept() {
    #[track]
    async fn keep_connection(pool: &SqlitePool, kept: &Mutex<Vec<PoolConnection<Sqlite>>>) {
        let connection = pool.acquire().await.unwrap(); // @connection
        kept.lock().unwrap().push(connection);
    }
    let kept = Mutex::default();
    let name = "leaks::a_connection_kept::keep_connection";
    let ((), finding) = leaks(
        "connection",
        "acquire",
        name,
        keep_connection(&*pool().await, &kept),
    )
    .await;
    assert!(finding.title.contains("a connection"), "{finding}");
    assert_eq!(
        Some((finding.related[0].site.line, finding.related[0].site.column)),
        {
            let place = declared("keep_connection");
            Some((place.line, place.column))
        }
    );
}

#[tokio::test]
async fn a_connection_taken_by_try_acquire() {
    #[track]
    async fn keep_tried(pool: &SqlitePool, kept: &mut Vec<PoolConnection<Sqlite>>) {
        kept.push(pool.try_acquire().expect("one is idle")); // @try
    }
    let pool = pool().await;
    pool.has_idle(1).await;
    let mut kept = Vec::new();
    let name = "leaks::a_connection_taken_by_try_acquire::keep_tried";
    leaks("try", "try_acquire", name, keep_tried(&pool, &mut kept)).await;
}

#[tokio::test]
async fn transactions_begun_in_other_ways() {
    #[track]
    async fn begun_with(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.push(pool.begin_with("BEGIN IMMEDIATE").await.unwrap()); // @begin_with
    }
    #[track]
    async fn begun_if_idle(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.extend(pool.try_begin().await.unwrap()); // @try_begin
    }
    #[track]
    async fn begun_by_the_trait(pool: &SqlitePool, kept: &mut Vec<Tx>) {
        kept.push(Acquire::begin(pool).await.unwrap()); // @trait begin
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::transactions_begun_in_other_ways";
    leaks(
        "begin_with",
        "begin_with",
        &format!("{module}::begun_with"),
        begun_with(&pool, &mut kept),
    )
    .await;
    kept.clear();
    pool.has_idle(1).await;
    leaks(
        "try_begin",
        "try_begin",
        &format!("{module}::begun_if_idle"),
        begun_if_idle(&pool, &mut kept),
    )
    .await;
    kept.clear();
    leaks(
        "trait begin",
        "begin",
        &format!("{module}::begun_by_the_trait"),
        begun_by_the_trait(&pool, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn what_a_generic_acquire_gave() {
    #[track]
    async fn keep_generic<'a, A>(from: A, kept: &Mutex<Vec<A::Connection>>)
    where
        A: Acquire<'a, Database = Sqlite>,
    {
        let connection = from.acquire().await.unwrap(); // @generic
        kept.lock().unwrap().push(connection);
    }
    let pool = pool().await;
    let kept = Mutex::default();
    let name = "leaks::what_a_generic_acquire_gave::keep_generic";
    leaks("generic", "acquire", name, keep_generic(&*pool, &kept)).await;
}

#[tokio::test]
async fn a_transaction_with_a_savepoint_inside() {
    #[track]
    async fn keep_after_savepoint(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        let mut tx = pool.begin().await?; // @savepoint
        let savepoint = tx.begin().await?;
        savepoint.commit().await?;
        kept.push(tx);
        Ok(())
    }
    let mut kept = Vec::new();
    let name = "leaks::a_transaction_with_a_savepoint_inside::keep_after_savepoint";
    leaks(
        "savepoint",
        "begin",
        name,
        keep_after_savepoint(&*pool().await, &mut kept),
    )
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn a_savepoint_forgotten_with_its_transaction() {
    #[track]
    #[expect(clippy::mem_forget, reason = "it is what is tested")]
    async fn forget_both(pool: &SqlitePool) {
        let tx = Box::leak(Box::new(pool.begin().await.unwrap())); // @forgotten savepoint
        std::mem::forget(tx.begin().await.unwrap());
    }
    let pool = pool().await;
    let name = "leaks::a_savepoint_forgotten_with_its_transaction::forget_both";
    leaks("forgotten savepoint", "begin", name, forget_both(&pool)).await;
    assert_eq!(pool.handles()[0].transaction_depth, 2);
}

#[tokio::test]
async fn streams_half_read() {
    #[track]
    async fn half_query(pool: &SqlitePool, kept: &mut Vec<Rows>) {
        let mut rows = sqlx::query(HUNDRED).fetch(pool); // @stream
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    #[track]
    async fn half_query_as<'p>(
        pool: &'p SqlitePool,
        kept: &mut Vec<BoxStream<'p, sqlx::Result<(i64,)>>>,
    ) {
        let mut rows = sqlx::query_as(HUNDRED).fetch(pool); // @query_as
        let (first,): (i64,) = rows.next().await.unwrap().unwrap();
        assert_eq!(first, 1);
        kept.push(rows);
    }
    #[track]
    async fn half_by_executor(pool: &SqlitePool, kept: &mut Vec<Rows>) {
        let mut rows = pool.fetch(HUNDRED); // @executor
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let ((), finding) = leaks(
        "stream",
        "fetch",
        "leaks::streams_half_read::half_query",
        half_query(&pool, &mut kept),
    )
    .await;
    assert!(finding.title.contains("a row stream"), "{finding}");
    assert!(
        finding
            .facts
            .iter()
            .any(|fact| fact.value.contains("1 row")),
        "{finding}"
    );
    let name = "leaks::streams_half_read::half_by_executor";
    leaks(
        "executor",
        "fetch",
        name,
        half_by_executor(&pool, &mut kept),
    )
    .await;
    let mut kept = Vec::new();
    leaks(
        "query_as",
        "fetch",
        "leaks::streams_half_read::half_query_as",
        half_query_as(&pool, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn a_stream_of_a_query_builder() {
    #[track]
    async fn half_builder(
        pool: &'static SqlitePool,
        builder: &'static mut QueryBuilder<Sqlite>,
        kept: &mut Vec<Rows>,
    ) {
        let mut rows = builder.build().fetch(pool); // @builder
        rows.try_next().await.unwrap().unwrap();
        kept.push(rows);
    }
    let pool: &'static TestPool = Box::leak(Box::new(pool().await));
    let builder = Box::leak(Box::new(QueryBuilder::new(HUNDRED)));
    let mut kept = Vec::new();
    let name = "leaks::a_stream_of_a_query_builder::half_builder";
    leaks(
        "builder",
        "fetch",
        name,
        half_builder(pool, builder, &mut kept),
    )
    .await;
}

#[tokio::test]
async fn in_functions_of_every_form() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

    trait Work {
        fn by_trait(&self, pool: &SqlitePool) -> impl Future<Output = ()>;
    }
    #[async_trait]
    trait DynWork {
        async fn above(&self) -> sqlx::Result<()>;
        async fn below(&self) -> sqlx::Result<()>;
    }
    struct Repo;
    #[track]
    impl Work for Repo {
        async fn by_trait(&self, pool: &SqlitePool) {
            let tx = pool.begin().await.unwrap(); // @trait
            KEPT.lock().unwrap().push(tx);
        }
    }
    struct Above(SqlitePool);
    #[track]
    #[async_trait]
    impl DynWork for Above {
        async fn above(&self) -> sqlx::Result<()> {
            let tx = self.0.begin().await?; // @track above async_trait
            KEPT.lock().unwrap().push(tx);
            Ok(())
        }
        async fn below(&self) -> sqlx::Result<()> {
            Ok(())
        }
    }
    struct Below(SqlitePool);
    #[async_trait]
    #[track]
    impl DynWork for Below {
        async fn above(&self) -> sqlx::Result<()> {
            Ok(())
        }
        async fn below(&self) -> sqlx::Result<()> {
            let tx = self.0.begin().await?; // @track below async_trait
            KEPT.lock().unwrap().push(tx);
            Ok(())
        }
    }
    #[track]
    fn boxed(pool: &SqlitePool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let tx = pool.begin().await.unwrap(); // @boxed
            KEPT.lock().unwrap().push(tx);
        })
    }
    #[track]
    fn pinned(pool: &SqlitePool) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + '_>> {
        let begun = pool.begin(); // @pinned
        let work = async move {
            let tx = begun.await?;
            KEPT.lock().unwrap().push(tx);
            Ok(())
        };
        Box::pin(work)
    }
    #[track]
    fn promised(pool: &SqlitePool) -> impl Future<Output = ()> + Send {
        async move {
            let tx = pool.begin().await.unwrap(); // @impl future
            KEPT.lock().unwrap().push(tx);
        }
    }
    #[track]
    async fn generic<T: Default, const N: usize>(pool: &SqlitePool, _: [T; N]) -> [u8; 3] {
        let tx = pool.begin().await.unwrap(); // @generic fn
        KEPT.lock().unwrap().push(tx);
        [0; 3]
    }
    #[track]
    async fn in_a_nested_block(pool: &SqlitePool) {
        let take = async || pool.begin().await; // @nested
        let tx = take().await.unwrap();
        KEPT.lock().unwrap().push(tx);
    }

    let pool = pool().await;
    let module = "leaks::in_functions_of_every_form";
    leaks(
        "trait",
        "begin",
        "<Repo as Work>::by_trait",
        Repo.by_trait(&pool),
    )
    .await;
    KEPT.lock().unwrap().clear();
    leaks(
        "track above async_trait",
        "begin",
        "<Above as DynWork>::above",
        Above(pool.clone()).above(),
    )
    .await
    .0
    .unwrap();
    KEPT.lock().unwrap().clear();
    leaks(
        "track below async_trait",
        "begin",
        "<Below as DynWork>::below",
        Below(pool.clone()).below(),
    )
    .await
    .0
    .unwrap();
    KEPT.lock().unwrap().clear();
    leaks("boxed", "begin", &format!("{module}::boxed"), boxed(&pool)).await;
    KEPT.lock().unwrap().clear();
    leaks(
        "pinned",
        "begin",
        &format!("{module}::pinned"),
        pinned(&pool),
    )
    .await
    .0
    .unwrap();
    KEPT.lock().unwrap().clear();
    leaks(
        "impl future",
        "begin",
        &format!("{module}::promised"),
        promised(&pool),
    )
    .await;
    KEPT.lock().unwrap().clear();
    leaks(
        "generic fn",
        "begin",
        &format!("{module}::generic"),
        generic(&pool, [0_u8; 2]),
    )
    .await;
    KEPT.lock().unwrap().clear();
    leaks(
        "nested",
        "begin",
        &format!("{module}::in_a_nested_block"),
        in_a_nested_block(&pool),
    )
    .await;
    KEPT.lock().unwrap().clear();
}

mod a_module {
    use super::{SqlitePool, Tx, track};

    #[track]
    pub(super) mod inner {
        use super::{SqlitePool, Tx};

        pub(in super::super) async fn keep(pool: &SqlitePool, kept: &mut Vec<Tx>) {
            kept.push(pool.begin().await.unwrap()); // @module
        }

        pub(in super::super) struct Generic<T>(pub(in super::super) T);

        impl<T: AsRef<str>> Generic<T> {
            pub(in super::super) async fn method(&self, pool: &SqlitePool, kept: &mut Vec<Tx>) {
                assert_eq!(self.0.as_ref(), "x");
                kept.push(pool.begin().await.unwrap()); // @generic method
            }
        }
    }
}

#[tokio::test]
async fn in_nested_modules() {
    let pool = pool().await;
    let mut kept = Vec::new();
    leaks(
        "module",
        "begin",
        "leaks::a_module::inner::keep",
        a_module::inner::keep(&pool, &mut kept),
    )
    .await;
    kept.clear();
    let generic = a_module::inner::Generic("x");
    leaks(
        "generic method",
        "begin",
        "leaks::a_module::inner::Generic::method",
        generic.method(&pool, &mut kept),
    )
    .await;
}

#[track]
async fn level_one(pool: &SqlitePool) -> sqlx::Result<Tx> {
    pool.begin().await // @handed up
}

#[track]
async fn level_two(pool: &SqlitePool) -> Option<Tx> {
    level_one(pool).await.ok()
}

#[track]
async fn level_three(pool: &SqlitePool) -> (u8, Option<Tx>) {
    (3, level_two(pool).await)
}

#[track]
async fn level_four(pool: &SqlitePool, kept: &Mutex<Vec<Tx>>) {
    let (_, tx) = level_three(pool).await;
    kept.lock().unwrap().extend(tx);
}

#[track]
async fn level_five(pool: &SqlitePool, kept: &Mutex<Vec<Tx>>) -> sqlx::Result<()> {
    level_four(pool, kept).await;
    Ok(())
}

#[tokio::test]
async fn handed_up_to_the_first_that_cannot_hold_it() {
    let kept = Mutex::default();
    let (_, finding) = leaks(
        "handed up",
        "begin",
        "leaks::level_four",
        level_five(&*pool().await, &kept),
    )
    .await;
    let way: Vec<_> = finding
        .related
        .iter()
        .map(|related| (related.site.line, related.site.column))
        .collect();
    let expected = ["level_four", "level_one", "level_two", "level_three"].map(|function| {
        let place = declared(function);
        (place.line, place.column)
    });
    assert_eq!(way, expected, "{finding:#?}");
    assert_eq!(
        finding.primary.function.as_deref(),
        Some("behaviour::leaks::level_one")
    );
}

#[tokio::test]
async fn two_handles_are_two_findings() {
    #[track]
    async fn keep_two(pool: &SqlitePool, kept: &mut Vec<PoolConnection<Sqlite>>) {
        for _ in 0..2 {
            kept.push(pool.acquire().await.unwrap());
        }
    }
    let mut kept = Vec::new();
    let ((), findings) = leash::testing::findings(keep_two(&*pool().await, &mut kept)).await;
    assert_eq!(of_leaks(findings).len(), 2);
}

#[tokio::test]
async fn in_a_task_that_carries_the_scope() {
    #[track]
    async fn keep_in_child(pool: SqlitePool, kept: mpsc::Sender<Tx>) {
        kept.send(pool.begin().await.unwrap()).unwrap(); // @carried
    }
    #[track]
    async fn parent_of_task(pool: &SqlitePool, kept: mpsc::Sender<Tx>) {
        tokio::spawn(keep_in_child(pool.clone(), kept).in_current_scope())
            .await
            .unwrap();
    }
    let (kept, receiver) = mpsc::channel();
    let name = "leaks::in_a_task_that_carries_the_scope::keep_in_child";
    leaks(
        "carried",
        "begin",
        name,
        parent_of_task(&*pool().await, kept),
    )
    .await;
    drop(receiver);
}

#[tokio::test]
async fn on_an_early_return_and_on_an_error() {
    #[track]
    async fn early(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<()> {
        kept.push(pool.begin().await?); // @early
        if kept.len() == 1 {
            return Ok(());
        }
        Err(sqlx::Error::WorkerCrashed)
    }
    #[track]
    async fn failing(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<i64> {
        let tx = pool.begin().await?; // @error
        kept.push(tx);
        let answer = sqlx::query_scalar("SELECT no_such_column")
            .fetch_one(pool)
            .await?;
        Ok(answer)
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::on_an_early_return_and_on_an_error";
    leaks(
        "early",
        "begin",
        &format!("{module}::early"),
        early(&pool, &mut kept),
    )
    .await
    .0
    .unwrap();
    kept.clear();
    leaks(
        "error",
        "begin",
        &format!("{module}::failing"),
        failing(&pool, &mut kept),
    )
    .await
    .0
    .unwrap_err();
}

#[tokio::test]
async fn a_result_whose_error_is_returned_cannot_hold_what_its_success_could() {
    #[track]
    async fn fails_after_keeping(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<Tx> {
        kept.push(pool.begin().await?); // @err side
        Err(sqlx::Error::RowNotFound)
    }
    let mut kept = Vec::new();
    let name = "leaks::a_result_whose_error_is_returned_cannot_hold_what_its_success_could::fails_after_keeping";
    leaks(
        "err side",
        "begin",
        name,
        fails_after_keeping(&*pool().await, &mut kept),
    )
    .await
    .0
    .unwrap_err();
}

#[tokio::test]
async fn rows_that_are_returned_hold_no_handle() {
    #[track]
    async fn rows_and_leak(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<Vec<SqliteRow>> {
        let mut tx = pool.begin().await?; // @rows
        let rows = sqlx::query(HUNDRED).fetch_all(&mut *tx).await?;
        kept.push(tx);
        Ok(rows)
    }
    #[track]
    async fn row_and_leak(pool: &SqlitePool, kept: &mut Vec<Tx>) -> sqlx::Result<(i64, SqliteRow)> {
        let mut tx = pool.begin().await?; // @row
        let row = sqlx::query(HUNDRED).fetch_one(&mut *tx).await?;
        kept.push(tx);
        Ok((row.try_get(0)?, row))
    }
    let pool = pool().await;
    let mut kept = Vec::new();
    let module = "leaks::rows_that_are_returned_hold_no_handle";
    let (rows, _) = leaks(
        "rows",
        "begin",
        &format!("{module}::rows_and_leak"),
        rows_and_leak(&pool, &mut kept),
    )
    .await;
    assert_eq!(rows.unwrap().len(), 100);
    kept.clear();
    leaks(
        "row",
        "begin",
        &format!("{module}::row_and_leak"),
        row_and_leak(&pool, &mut kept),
    )
    .await
    .0
    .unwrap();
}

/// Nothing is returned by a scope that is given up: what was put away before has outlived it.
#[tokio::test]
async fn given_up_after_it_was_put_away() {
    #[track]
    async fn never_ends(pool: &SqlitePool, kept: &Mutex<Vec<Tx>>) {
        let tx = pool.begin().await.unwrap(); // @given up
        kept.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    }
    let pool = pool().await;
    let kept = Mutex::default();
    let work = poll_until(never_ends(&pool, &kept), || {
        !kept.lock().unwrap().is_empty()
    });
    let ((), finding) = leaks(
        "given up",
        "begin",
        "leaks::given_up_after_it_was_put_away::never_ends",
        work,
    )
    .await;
    assert!(finding.title.contains("cancelled"), "{finding}");
}

#[tokio::test]
async fn in_a_scope_by_hand_that_is_given_up() {
    let pool = pool().await;
    let kept = Mutex::new(Vec::<Tx>::new());
    let by_hand = leash::scope("by hand", async {
        let tx = pool.begin().await.unwrap();
        kept.lock().unwrap().push(tx);
        std::future::pending::<()>().await;
    });
    let work = poll_until(by_hand, || !kept.lock().unwrap().is_empty());
    let ((), findings) = leash::testing::findings(Box::pin(work)).await;
    let findings = of_leaks(findings);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].function.as_deref(), Some("by hand"));
}
