//! A network that delays, cuts, half-closes and swallows.

use std::time::Duration;

use futures::TryStreamExt;
use leash_tests::{Cut, Fate};
use sqlx::leash::{Certainty, Verdict};

use super::world::World;
use super::{Db, ROWS};
use crate::common::{error, one_of, timeout, well};

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

/// The error of a client whose connection was closed.
const ENDED: &[&str; 1] = &["Io UnexpectedEof"];

/// The errors of a client whose connection was reset: at the next write, or at the next read.
const RESET: &[&str] = &["Io ConnectionReset", "Io BrokenPipe"];

/// Runs both, because each waits for the other, and returns the first one's output.
async fn beside<T>(future: impl Future<Output = T>, other: impl Future<Output = ()>) -> T {
    futures::join!(future, other).0
}

mod in_hand {
    use super::*;

    situations! {
        World::new();

        late => well(), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::Delayed(Duration::from_millis(2)));
            let mut tx = pool.begin().await?;
            tx.execute(INSERT).await?;
            tx.rollback().await?;
            pool.fetch_all("SELECT * FROM exam").await.map(drop)
        }

        closed_in_idle_hands => error(ENDED), |pool, world| {
            let mut conn = pool.acquire().await?;
            world.proxy.treats(Fate::Cut(Cut::Closed));
            conn.execute("SELECT 1").await.map(drop)
        }

        reset_in_idle_hands => one_of(RESET), |pool, world| {
            let mut conn = pool.acquire().await?;
            world.proxy.treats(Fate::Cut(Cut::Reset));
            conn.execute("SELECT 1").await.map(drop)
        }

        half_closed_in_idle_hands => error(ENDED), |pool, world| {
            let mut conn = pool.acquire().await?;
            world.proxy.treats(Fate::HalfClosed);
            conn.execute("SELECT 1").await.map(drop)
        }

        /// The pool detects the closed connection itself.
        half_closed_in_the_pool => well(), |pool, world| {
            pool.acquire().await?.return_to_pool().await;
            world.proxy.treats(Fate::HalfClosed);
            pool.execute("SELECT 1").await.map(drop)
        }

        closed_in_mid_statement => error(ENDED), |pool, world| {
            let mut conn = pool.acquire().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            beside(conn.execute("SELECT 1"), async {
                world.has_swallowed(before).await;
                world.proxy.treats(Fate::Cut(Cut::Closed));
            })
            .await
            .map(drop)
        }

        reset_in_mid_statement => one_of(RESET), |pool, world| {
            let mut conn = pool.acquire().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            beside(conn.execute("SELECT 1"), async {
                world.has_swallowed(before).await;
                world.proxy.treats(Fate::Cut(Cut::Reset));
            })
            .await
            .map(drop)
        }

        closed_in_mid_stream => error(ENDED), |pool, world| {
            let mut conn = pool.acquire().await?;
            world.proxy.treats(Fate::CutAfter(20_000, Cut::Closed));
            let mut rows = db::query(ROWS).fetch(&mut *conn);
            while rows.try_next().await?.is_some() {}
            Ok(())
        }

        reset_in_mid_stream => one_of(RESET), |pool, world| {
            let mut conn = pool.acquire().await?;
            world.proxy.treats(Fate::CutAfter(20_000, Cut::Reset));
            let mut rows = db::query(ROWS).fetch(&mut *conn);
            while rows.try_next().await?.is_some() {}
            Ok(())
        }

        /// The server never answers, so the program cancels the statement.
        swallowed_in_mid_statement => well(), |pool, world| {
            let mut conn = pool.acquire().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            tokio::select! {
                ended = conn.execute("SELECT 1") => panic!("{ended:?}"),
                () = world.has_swallowed(before) => {}
            }
            world.proxy.treats(Fate::Cut(Cut::Closed));
            Ok(())
        }

        swallowed_in_mid_stream => well(), |pool, world| {
            let mut conn = pool.acquire().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::SwallowedAfter(20_000));
            let mut rows = db::query(ROWS).fetch(&mut *conn);
            tokio::select! {
                ended = async { while rows.try_next().await?.is_some() {} db::Result::<()>::Ok(()) } => panic!("{ended:?}"),
                () = world.has_swallowed(before) => {}
            }
            world.proxy.treats(Fate::Cut(Cut::Closed));
            Ok(())
        }

        closed_at_begin => error(ENDED), |pool, world| {
            let mut conn = pool.acquire().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            beside(conn.begin(), async {
                world.has_swallowed(before).await;
                world.proxy.treats(Fate::Cut(Cut::Closed));
            })
            .await
            .map(drop)
        }

        /// A client cannot know whether the commit succeeded; here the server never received it.
        closed_in_mid_commit => error(ENDED), |pool, world| {
            let mut tx = pool.begin().await?;
            tx.execute(INSERT).await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            let ended = beside(tx.commit(), async {
                world.has_swallowed(before).await;
                world.proxy.treats(Fate::Cut(Cut::Closed));
            })
            .await;
            assert_eq!(world.written().await, 0);
            ended
        }

        closed_in_mid_rollback => error(ENDED), |pool, world| {
            let mut tx = pool.begin().await?;
            tx.execute(INSERT).await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            beside(tx.rollback(), async {
                world.has_swallowed(before).await;
                world.proxy.treats(Fate::Cut(Cut::Closed));
            })
            .await
        }

        reset_in_a_savepoint => one_of(RESET), |pool, world| {
            let mut tx = pool.begin().await?;
            let mut savepoint = tx.begin().await?;
            savepoint.execute(INSERT).await?;
            world.proxy.treats(Fate::Cut(Cut::Reset));
            savepoint.rollback().await
        }

        /// The connection is being returned, and the return hangs until the network reports the end.
        swallowed_on_the_way_back => well(), |pool, world| {
            let tx = pool.begin().await?;
            let before = world.proxy.swallowed();
            world.proxy.treats(Fate::Swallowed);
            drop(tx);
            world.has_swallowed(before).await;
            world.proxy.treats(Fate::Cut(Cut::Reset));
            Ok(())
        }

        closed_while_connecting => error(ENDED), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::CutAfter(5, Cut::Closed));
            pool.acquire().await.map(drop)
        }

        reset_while_connecting => one_of(RESET), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::Cut(Cut::Reset));
            pool.begin().await.map(drop)
        }

        reset_in_the_handshake => one_of(RESET), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::CutAfter(5, Cut::Reset));
            pool.execute("SELECT 1").await.map(drop)
        }
    }
}

mod at_the_pool {
    use super::*;

    situations! {
        World::impatient();

        swallowed_while_connecting => timeout(Verdict::Unreachable, Certainty::Likely), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::Swallowed);
            pool.acquire().await.map(drop)
        }

        swallowed_in_the_handshake => timeout(Verdict::Unreachable, Certainty::Likely), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::SwallowedAfter(5));
            pool.execute("SELECT 1").await.map(drop)
        }

        swallowed_at_begin => timeout(Verdict::Unreachable, Certainty::Likely), |pool, world| {
            world.proxy.meets_new_ones_with(Fate::SwallowedAfter(5));
            pool.begin().await.map(drop)
        }

        /// The pool pings the idle connection and gets no answer; a new connection would get none either.
        swallowed_at_the_ping => timeout(Verdict::Unreachable, Certainty::Likely), |pool, world| {
            pool.acquire().await?.return_to_pool().await;
            world.proxy.treats(Fate::Swallowed);
            world.proxy.meets_new_ones_with(Fate::Swallowed);
            pool.acquire().await.map(drop)
        }
    }
}
