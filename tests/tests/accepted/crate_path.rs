//! sqlx-leash by a path of the user's own.

#![deny(warnings, rust_2018_idioms)]

/// As in a crate that hands its database library on.
mod database {
    pub(crate) use ::sqlx as reexported;
}

/// What is not sqlx-leash, by its name.
mod sqlx {}

#[::sqlx::track(crate = ::sqlx)]
async fn from_the_root(pool: &::sqlx::SqlitePool) -> ::sqlx::Result<i64> {
    ::sqlx::query_scalar("SELECT 1").fetch_one(pool).await
}

#[database::reexported::track(crate = crate::crate_path::database::reexported)]
impl Repo {
    async fn reexported(&self, pool: &::sqlx::SqlitePool) -> ::sqlx::Result<i64> {
        ::sqlx::query_scalar("SELECT 2").fetch_one(pool).await
    }

    #[tracing::instrument(skip_all)]
    async fn below_another(&self, pool: &::sqlx::SqlitePool) -> ::sqlx::Result<i64> {
        ::sqlx::query_scalar("SELECT 3").fetch_one(pool).await
    }
}

struct Repo;

#[::sqlx::track]
async fn by_its_name_in_the_manifest(pool: &::sqlx::SqlitePool) -> ::sqlx::Result<i64> {
    ::sqlx::query_scalar("SELECT 4").fetch_one(pool).await
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> ::sqlx::Result<()> {
    let pool = ::leash_tests::in_memory().await;
    assert_eq!(from_the_root(&pool).await?, 1);
    assert_eq!(Repo.reexported(&pool).await?, 2);
    assert_eq!(Repo.below_another(&pool).await?, 3);
    assert_eq!(by_its_name_in_the_manifest(&pool).await?, 4);
    Ok(())
}
