//! A leaked handle is put away: in a field, a static, a channel, a task.

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool, track};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use tokio::sync::oneshot;

use crate::common::{TestPool, Tx, leaks, pool};

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
    let name = "leaks::kept::into_a_field::Service::keep_in_field";
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
    let name = "leaks::kept::into_a_field_of_a_mutable_self::Service::keep_in_self";
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
        "leaks::kept::into_a_static::keep_in_static",
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
        "leaks::kept::into_a_vec_of_the_caller::push",
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
        "leaks::kept::into_a_slot_of_the_caller::fill",
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
        "leaks::kept::into_a_channel::send",
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
    let name = "leaks::kept::into_an_async_channel::offer";
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
    let name = "leaks::kept::into_a_spawned_task::hand_to_task";
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
        "leaks::kept::into_a_thread::hand_to_thread",
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
        "leaks::kept::into_a_cycle_of_rc::tie_rc",
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
        "leaks::kept::into_a_cycle_of_arc::tie_arc",
        tie_arc(&*pool().await),
    )
    .await
    .0
    .unwrap();
}

#[tokio::test]
async fn forgotten() {
    #[track]
    #[expect(clippy::mem_forget, reason = "the test is about forgetting")]
    async fn forget(pool: &SqlitePool) -> sqlx::Result<i64> {
        let mut tx = pool.begin().await?; // @forget
        let one = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
        std::mem::forget(tx);
        Ok(one)
    }
    let (one, _) = leaks(
        "forget",
        "begin",
        "leaks::kept::forgotten::forget",
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
        "leaks::kept::leaked_in_a_box::leak_box",
        leak_box(&*pool().await),
    )
    .await;
}
