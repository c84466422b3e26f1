//! No lint finds more with the attribute than without it, and none is lost sight of.

#![deny(
    warnings,
    let_underscore_drop,
    missing_docs,
    missing_debug_implementations,
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    unreachable_pub,
    unused,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]
#![forbid(unsafe_code)]

use sqlx::{Sqlite, Transaction, track};

/// Documented, and public as in a library.
pub mod library {
    use sqlx::{SqlitePool, track};

    /// Documented.
    #[derive(Debug)]
    pub struct Repo(pub SqlitePool);

    #[track]
    impl Repo {
        /// Documented.
        pub async fn documented(&self) -> sqlx::Result<i64> {
            sqlx::query_scalar("SELECT 1").fetch_one(&self.0).await
        }

        /// Documented.
        #[expect(unused_variables, reason = "an expectation is a permission")]
        pub async fn expected(&self, unused: u8) {}

        /// Documented.
        #[allow(unused_variables)]
        #[must_use]
        #[inline]
        pub async fn allowed(&self, unused: u8) -> u8 {
            2
        }

        /// Documented.
        #[deprecated]
        pub async fn deprecated(&self) -> u8 {
            3
        }
    }
}

#[track]
#[expect(unused_mut)]
async fn expected() -> u8 {
    let mut number = 4;
    number
}

#[track]
#[expect(dead_code)]
async fn never_called() {}

#[track]
async fn never_returns_to_here(tx: Transaction<'_, Sqlite>) -> sqlx::Result<()> {
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    never_returns_to_here(pool.begin().await?).await?;
    let repo = library::Repo(pool);
    assert_eq!(repo.documented().await?, 1);
    repo.expected(1).await;
    assert_eq!(repo.allowed(1).await, 2);
    #[expect(deprecated)]
    let three = repo.deprecated().await;
    assert_eq!(three + expected().await, 7);
    Ok(())
}
