//! Each cause is named, with the cure.

use std::time::Duration;

use futures::future::join_all;
use sqlx::leash::{Certainty, Finding, Lint};
use sqlx::{Connection as _, Executor as _, track};
use tokio::time::{sleep, timeout};

use super::super::assert_says;
use super::{Db, IDLE_LIMIT, ITS_LIMIT, PoolOptions, SLEEP, database};
use crate::common::{Place, TestPool, in_child_under, marked};

type Pool = sqlx::Pool<Db>;

const PAUSE: Duration = Duration::from_millis(50);

/// The ways to use a pool. None of them ends.
mod uses {
    use super::*;

    #[track]
    pub(super) async fn close(pool: &Pool) {
        loop {
            let mut conn = pool.acquire().await.unwrap(); // @opens to close
            conn.execute("SELECT 1").await.unwrap();
            conn.close().await.unwrap();
            sleep(PAUSE).await;
        }
    }

    #[track]
    pub(super) async fn close_on_drop(pool: &Pool) {
        loop {
            let mut conn = pool.acquire().await.unwrap();
            conn.execute("SELECT 1").await.unwrap();
            conn.close_on_drop();
            drop(conn);
            sleep(PAUSE).await;
        }
    }

    #[track]
    pub(super) async fn detach(pool: &Pool) {
        loop {
            let mut conn = pool.acquire().await.unwrap().detach();
            conn.execute("SELECT 1").await.unwrap();
            conn.close().await.unwrap();
            sleep(PAUSE).await;
        }
    }

    /// Four connections at once, all the time.
    #[track]
    pub(super) async fn busily(pool: &Pool) {
        loop {
            join_all((0..4).map(|_| pool.execute("SELECT 1"))).await;
            sleep(4 * PAUSE).await;
        }
    }

    /// Twelve connections at once, every three seconds.
    #[track]
    pub(super) async fn in_bursts(pool: &Pool) {
        loop {
            let conns = join_all((0..12).map(|_| pool.acquire())).await;
            assert!(conns.iter().all(Result::is_ok));
            drop(conns);
            sleep(Duration::from_secs(3)).await;
        }
    }

    #[track]
    pub(super) async fn give_up(pool: &Pool) {
        loop {
            let sleeps = timeout(PAUSE, pool.execute(SLEEP)).await;
            assert!(sleeps.is_err());
        }
    }

    #[track]
    pub(super) async fn in_vain(pool: &Pool) {
        loop {
            pool.acquire().await.unwrap_err();
        }
    }
}

/// Uses a pool with these options until its churn is reported. Nothing else may be.
async fn churned<F: Future<Output = ()>>(
    options: PoolOptions,
    uses: impl FnOnce(Pool) -> F,
) -> Option<Finding> {
    let db = database().await?;
    let pool = options.connect_lazy(db.url()).unwrap();
    let pool = TestPool::of(pool);
    let found = tokio::select! {
        () = uses(Pool::clone(&pool)) => unreachable!("it does not end"),
        (_, found) = pool.first_of(Lint::ConnectionChurn) => found,
    };
    Some(found)
}

macro_rules! using {
    ($name:ident) => {
        |pool| async move { uses::$name(&pool).await }
    };
}

fn of(max_connections: u32) -> PoolOptions {
    PoolOptions::new().max_connections(max_connections)
}

/// At the same time, because each takes more than ten seconds.
#[tokio::test]
async fn each_cause_is_named() {
    futures::join!(
        closed_by_the_program(),
        closed_on_drop(),
        detached(),
        a_lifetime_that_is_too_short(),
        an_idle_time_that_is_too_short(),
        refused_before_an_acquire(),
        refused_after_a_release(),
        open_too_late(),
        closed_by_the_server(),
    );
}

async fn closed_by_the_program() {
    let Some(found) = churned(of(5), using!(close)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "the program closes connections of pool test pool",
            "were closed by the program itself: by `close()` or `close_on_drop()`",
            "drop it, without `close()`",
        ],
    );
    let place = Place::from(&found.primary);
    assert_eq!(place, marked("opens to close", "acquire"));
    let function = concat!(module_path!(), "::uses::close");
    assert_eq!(found.function.as_deref(), Some(function));
}

async fn closed_on_drop() {
    let Some(found) = churned(of(5), using!(close_on_drop)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "the program closes",
            "`close_on_drop()`",
            "without `close()` and `close_on_drop()`",
        ],
    );
}

async fn detached() {
    let Some(found) = churned(of(5), using!(detach)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "the program closes",
            "closed by the program itself: by `detach()`",
            "without `detach()`",
        ],
    );
}

async fn a_lifetime_that_is_too_short() {
    let options = of(4).max_lifetime(Duration::from_secs(1));
    let Some(found) = churned(options, using!(busily)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Likely,
        [
            "max_lifetime is 1 s in pool test pool",
            "were older than `max_lifetime`",
            ".max_lifetime(Duration::from_secs(30 * 60))",
        ],
    );
}

async fn an_idle_time_that_is_too_short() {
    let options = of(12).idle_timeout(Duration::from_secs(1));
    let Some(found) = churned(options, using!(in_bursts)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Likely,
        [
            "idle_timeout is 1 s in pool test pool",
            "were closed while nobody used them",
            ".idle_timeout(Duration::from_secs(10 * 60))",
        ],
    );
}

async fn refused_before_an_acquire() {
    let options = of(4).before_acquire(|_, _| Box::pin(async { Ok(false) }));
    let Some(found) = churned(options, using!(busily)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "a hook of pool test pool",
            "refused by a hook",
            "return `Ok(true)`",
        ],
    );
}

async fn refused_after_a_release() {
    let refuses = || sqlx::Error::Protocol("no".to_owned());
    let options = of(4).after_release(move |_, _| Box::pin(async move { Err(refuses()) }));
    let Some(found) = churned(options, using!(busily)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "a hook of pool test pool",
            "refused by a hook",
            "return `Ok(true)`",
        ],
    );
}

async fn open_too_late() {
    let late = Duration::from_millis(400);
    let options = of(4).acquire_timeout(late / 2).after_connect(move |_, _| {
        Box::pin(async move {
            sleep(late).await;
            Ok(())
        })
    });
    let Some(found) = churned(options, using!(in_vain)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Certain,
        [
            "acquires of pool test pool",
            "were thrown away",
            "`.acquire_timeout(…)`, now 200 ms",
        ],
    );
}

/// Without a limit for returns, the connection waits on its way back until the statement ends, and is kept.
#[test]
fn cut_off() {
    let name = module_path!().split_once("::").expect("the crate's name").1;
    let test = format!("{name}::cut_off");
    let _ = in_child_under(&test, "return_timeout=50ms", |runtime| {
        runtime.block_on(async {
            let Some(found) = churned(of(4), using!(give_up)).await else {
                return;
            };
            assert_says(
                &found,
                Certainty::Certain,
                [
                    "statements are cut off",
                    "was dropped before its end",
                    "limit their time on the server",
                ],
            );
        });
    });
}

async fn closed_by_the_server() {
    let options = of(12)
        .after_connect(|conn, _| Box::pin(async move { conn.execute(IDLE_LIMIT).await.map(drop) }));
    let Some(found) = churned(options, using!(in_bursts)).await else {
        return;
    };
    assert_says(
        &found,
        Certainty::Likely,
        [
            "the server or the network closes",
            "by neither the program nor the pool",
            ITS_LIMIT,
        ],
    );
}
