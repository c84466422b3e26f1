//! Leaks in functions of every form.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, mpsc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::leash::ScopeExt;
use sqlx::{SqlitePool, track};

use crate::common::{Tx, declared, leaks, pool};

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
    let module = "leaks::functions::in_functions_of_every_form";
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
        "leaks::functions::a_module::inner::keep",
        a_module::inner::keep(&pool, &mut kept),
    )
    .await;
    kept.clear();
    let generic = a_module::inner::Generic("x");
    leaks(
        "generic method",
        "begin",
        "leaks::functions::a_module::inner::Generic::method",
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
async fn handed_up_to_the_first_function_that_cannot_hold_it() {
    let kept = Mutex::default();
    let (_, finding) = leaks(
        "handed up",
        "begin",
        "leaks::functions::level_four",
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
        Some("behaviour::leaks::functions::level_one")
    );
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
    let name = "leaks::functions::in_a_task_that_carries_the_scope::keep_in_child";
    leaks(
        "carried",
        "begin",
        name,
        parent_of_task(&*pool().await, kept),
    )
    .await;
    drop(receiver);
}
