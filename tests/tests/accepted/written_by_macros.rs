//! Tracked functions that a `macro_rules!` writes.

#![deny(warnings, rust_2018_idioms)]

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

macro_rules! repository {
    ($name:ident, $pool:ident, $body:block) => {
        struct $name;

        #[track]
        impl $name {
            async fn whole(&self, $pool: &SqlitePool, other: u8) -> sqlx::Result<i64> {
                let _ = other;
                $body
            }

            async fn tail(&self, mut $pool: u8) -> u8 {
                $pool += 1;
                $pool
            }

            fn boxed<'a>(&'a self, $pool: &'a SqlitePool) -> BoxFuture<'a, sqlx::Result<i64>> {
                Box::pin(async move { sqlx::query_scalar("SELECT 2").fetch_one($pool).await })
            }
        }
    };
}

repository!(Repo, pool, {
    sqlx::query_scalar("SELECT 1").fetch_one(pool).await
});

macro_rules! function {
    ($(#[$attribute:meta])* $visibility:vis $name:ident($argument:pat, $ty:ty) $value:expr) => {
        $(#[$attribute])*
        $visibility async fn $name($argument: $ty) -> $ty {
            $value
        }
    };
}

function!(#[track] pub typed(x, &str) x);
function!(
    /// Documented.
    #[track(name = "pair")]
    #[must_use]
    pair((a, b), (u8, u8)) (b, a)
);

macro_rules! limited {
    ($limit:literal, $name:literal) => {
        #[track(max_queries = $limit, name = $name)]
        async fn limited() {}
    };
}

limited!(3, "limited");

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    assert_eq!(Repo.whole(&pool, 1).await?, 1);
    assert_eq!(Repo.tail(1).await, 2);
    assert_eq!(Repo.boxed(&pool).await?, 2);
    assert_eq!(typed("x").await, "x");
    assert_eq!(pair((1, 2)).await, (2, 1));
    limited().await;
    Ok(())
}
