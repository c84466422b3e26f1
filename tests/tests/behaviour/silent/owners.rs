//! Values whose type hides a handle: a lock, a channel, an actor, a task.

use sqlx::leash::{self};
use sqlx::pool::PoolConnection;
use sqlx::{Executor, Sqlite, SqlitePool, track};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::common::{Tx, of_leaks, pool, returned};

use super::{INSERT, UnitOfWork};

struct Guarded {
    tx: Mutex<Option<Tx>>,
}

/// The standard library and tokio declare these `UnwindSafe` whatever they hold.
#[tokio::test]
async fn returned_in_a_lock() {
    #[track]
    async fn in_mutex(pool: &SqlitePool) -> Mutex<Tx> {
        Mutex::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn in_arc_of_mutex(
        pool: &SqlitePool,
    ) -> sqlx::Result<Arc<Mutex<Option<PoolConnection<Sqlite>>>>> {
        Ok(Arc::new(Mutex::new(Some(pool.acquire().await?))))
    }
    #[track]
    async fn in_rw_lock(pool: &SqlitePool) -> RwLock<Tx> {
        RwLock::new(pool.begin().await.unwrap())
    }
    #[track]
    async fn of_a_struct(pool: &SqlitePool) -> Mutex<UnitOfWork> {
        Mutex::new(UnitOfWork {
            tx: pool.begin().await.unwrap(),
        })
    }
    #[track(returns_handle)]
    async fn in_a_struct(pool: &SqlitePool) -> Guarded {
        Guarded {
            tx: Mutex::new(Some(pool.begin().await.unwrap())),
        }
    }
    let pool = pool().await;
    drop(returned(&pool, in_mutex(&pool)).await);
    drop(returned(&pool, in_arc_of_mutex(&pool)).await);
    drop(returned(&pool, in_rw_lock(&pool)).await);
    let guarded = returned(&pool, in_a_struct(&pool)).await;
    drop(guarded.tx.lock().unwrap().take());
    drop(guarded);
    drop(returned(&pool, of_a_struct(&pool)).await);
}

#[tokio::test]
async fn returned_in_a_channel() {
    #[track]
    async fn in_sync_channel(pool: &SqlitePool) -> std::sync::mpsc::Receiver<Tx> {
        let (sender, receiver) = std::sync::mpsc::channel();
        sender.send(pool.begin().await.unwrap()).unwrap();
        receiver
    }
    #[track]
    async fn in_async_channel(pool: &SqlitePool) -> tokio::sync::mpsc::UnboundedReceiver<Tx> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        sender.send(pool.begin().await.unwrap()).unwrap();
        receiver
    }
    #[track]
    async fn in_one_shot(pool: &SqlitePool) -> oneshot::Receiver<Tx> {
        let (sender, receiver) = oneshot::channel();
        assert!(sender.send(pool.begin().await.unwrap()).is_ok());
        receiver
    }
    let pool = pool().await;
    drop(returned(&pool, in_sync_channel(&pool)).await);
    drop(returned(&pool, in_one_shot(&pool)).await);
    drop(returned(&pool, in_async_channel(&pool)).await);
}

/// The mailbox of an actor whose task owns the connection.
struct Mailbox {
    jobs: mpsc::Sender<&'static str>,
    task: JoinHandle<()>,
}

impl Mailbox {
    async fn with(pool: &SqlitePool) -> Self {
        let mut conn = pool.acquire().await.unwrap();
        let (jobs, mut received) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Some(job) = received.recv().await {
                conn.execute(job).await.unwrap();
            }
        });
        Self { jobs, task }
    }

    async fn ends(self) {
        drop(self.jobs);
        self.task.await.unwrap();
    }
}

/// The attribute does not see the end of a channel, or a task, inside a struct.
#[tokio::test]
async fn returned_in_an_actor() {
    #[track(returns_handle)]
    async fn said_so(pool: &SqlitePool) -> Mailbox {
        Mailbox::with(pool).await
    }
    #[track]
    async fn unsaid(pool: &SqlitePool) -> Mailbox {
        Mailbox::with(pool).await
    }
    let pool = pool().await;
    let mailbox = returned(&pool, said_so(&pool)).await;
    mailbox.jobs.send(INSERT).await.unwrap();
    mailbox.ends().await;
    let (mailbox, found) = leash::testing::findings(unsaid(&pool)).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lint, leash::Lint::OutlivedScope);
    mailbox.ends().await;
}

#[tokio::test]
async fn returned_in_a_join_handle() {
    #[track]
    async fn in_task(pool: &SqlitePool) -> tokio::task::JoinHandle<Tx> {
        let tx = pool.begin().await.unwrap();
        tokio::spawn(async move { tx })
    }
    let pool = pool().await;
    drop(returned(&pool, in_task(&pool)).await.await.unwrap());
    pool.assert_empty();
}

/// Owns its connection, as actors and listeners do.
struct Actor {
    connection: PoolConnection<Sqlite>,
    sent: u64,
}

#[track]
impl Actor {
    async fn start(pool: &SqlitePool) -> sqlx::Result<Self> {
        let mut actor = Self {
            connection: pool.acquire().await?,
            sent: 0,
        };
        actor.send().await?;
        Ok(actor)
    }

    async fn send(&mut self) -> sqlx::Result<()> {
        self.connection.execute(INSERT).await?;
        self.sent += 1;
        Ok(())
    }

    async fn renew(&mut self, pool: &SqlitePool) -> sqlx::Result<&mut Self> {
        self.connection = pool.acquire().await?;
        Ok(self)
    }

    async fn stop(self) -> sqlx::Result<u64> {
        self.connection.close().await?;
        Ok(self.sent)
    }
}

#[tokio::test]
async fn an_actor_that_owns_a_connection() {
    let pool = pool().await;
    let mut actor = returned(&pool, Actor::start(&pool)).await.unwrap();
    let ((), findings) = leash::testing::findings(async {
        actor.send().await.unwrap();
        actor.renew(&pool).await.unwrap().send().await.unwrap();
        assert_eq!(actor.stop().await.unwrap(), 3);
    })
    .await;
    assert!(of_leaks(findings).is_empty());
    pool.assert_empty();
}
