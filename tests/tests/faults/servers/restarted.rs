//! A server that stops and starts again, twice. Plain and tracked pools go through each stop at the same time.

use futures::join;
use sqlx::leash::{Certainty, Verdict};
use tokio::sync::Barrier;

use super::world::World;
use super::{COMMIT_STOPPED, Db, HOLD_COMMITS, SESSION, SLEEP, STOPPED, own_server};
use crate::common::{check, error, one_of, timeout, well};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// Defines the work that is in progress before the server stops, while it stops, and while it is down.
macro_rules! both {
    ($(async fn $name:ident($pool:ident, $meet:ident) $body:block)*) => {
        mod plain {
            use super::*;
            use plain_sqlx as db;
            use plain_sqlx::Executor as _;
            $(pub(super) async fn $name($pool: &db::Pool<Db>, $meet: &Barrier) -> db::Result<()> $body)*
        }

        #[sqlx::track]
        mod tracked {
            use super::*;
            use sqlx as db;
            use sqlx::Executor as _;
            $(pub(super) async fn $name($pool: &db::Pool<Db>, $meet: &Barrier) -> db::Result<()> $body)*
        }
    };
}

both! {
    async fn works(pool, meet) {
        let mut conn = pool.acquire().await?;
        meet.wait().await;
        db::query(SLEEP).execute(&mut *conn).await.map(drop)
    }

    async fn is_in_a_transaction(pool, meet) {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        meet.wait().await;
        // Here the server stops.
        meet.wait().await;
        tx.commit().await
    }

    async fn commits(pool, meet) {
        let mut tx = pool.begin().await?;
        tx.execute(INSERT).await?;
        meet.wait().await;
        // Here the server begins to hold commits up.
        meet.wait().await;
        tx.commit().await
    }

    async fn asks(pool, _meet) {
        let session: i64 = db::query_scalar(SESSION).fetch_one(pool).await?;
        assert!(session > 0);
        Ok(())
    }
}

/// One test for all of it, because starting a server is slow.
#[tokio::test]
async fn in_the_middle_of_everything() {
    let Some(mut server) = own_server().await else {
        return;
    };
    let url = server.url().to_owned();
    let world = World::at(&url).await;
    let (pool, plain, meet) = (&world.pool, &world.plain, &Barrier::new(5));
    let is_down = timeout(Verdict::Unreachable, Certainty::Certain);
    let function = |name: &str| format!("{}::tracked::{name}", module_path!());

    let stops = async {
        meet.wait().await;
        world.sees_running(SLEEP, 2).await;
        server.stop().await;
        // The functions that run a statement do not reach the second wait.
        join!(meet.wait(), meet.wait(), meet.wait());
    };
    let (work, plain_work, tx, plain_tx, ()) = join!(
        tracked::works(pool, meet),
        plain::works(plain, meet),
        tracked::is_in_a_transaction(pool, meet),
        plain::is_in_a_transaction(plain, meet),
        stops
    );
    let (ask, plain_ask) = join!(tracked::asks(pool, meet), plain::asks(plain, meet));
    server.start().await;
    check(&function("asks"), &is_down, plain_ask, ask, pool).await;
    check(&function("works"), &error(STOPPED), plain_work, work, pool).await;
    let name = function("is_in_a_transaction");
    check(&name, &error(STOPPED), plain_tx, tx, pool).await;
    let (ask, plain_ask) = join!(tracked::asks(pool, meet), plain::asks(plain, meet));
    check(&function("asks"), &well(), plain_ask, ask, pool).await;

    world.returns(&url).await;
    assert_eq!(world.written().await, 0);
    world.does(HOLD_COMMITS[0]).await;
    let meet = &Barrier::new(3);
    let stops = async {
        meet.wait().await;
        world.does(HOLD_COMMITS[1]).await;
        meet.wait().await;
        world.sees_running("COMMIT", 2).await;
        server.stop().await;
    };
    let (commit, plain_commit, ()) = join!(
        tracked::commits(pool, meet),
        plain::commits(plain, meet),
        stops
    );
    let (ask, plain_ask) = join!(tracked::asks(pool, meet), plain::asks(plain, meet));
    server.start().await;
    check(&function("asks"), &is_down, plain_ask, ask, pool).await;
    let name = function("commits");
    let expected = one_of(COMMIT_STOPPED);
    check(&name, &expected, plain_commit, commit, pool).await;
}
