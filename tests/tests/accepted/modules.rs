//! Inline modules, and what stands in them.

#![deny(warnings, rust_2018_idioms)]

use sqlx::track;

#[track(max_queries = 5, allow(n_plus_one, reason = "few rows"))]
mod exams {
    //! Documented.

    use sqlx::SqlitePool;

    pub(super) const LIMIT: i64 = 3;

    pub(super) static NAMES: [&str; 1] = ["exam"];

    pub(super) type Outcome<T> = sqlx::Result<T>;

    macro_rules! scalar {
        ($text:literal) => {
            sqlx::query_scalar($text)
        };
    }

    pub(super) async fn free(pool: &SqlitePool) -> Outcome<i64> {
        scalar!("SELECT 1").fetch_one(pool).await
    }

    #[derive(Debug, Default)]
    pub(super) struct Exam {
        pub(super) id: i64,
    }

    impl Exam {
        pub(super) async fn load(pool: &SqlitePool) -> Outcome<Self> {
            let id = sqlx::query_scalar("SELECT 2").fetch_one(pool).await?;
            Ok(Self { id })
        }

        #[sqlx::track(skip)]
        pub(super) async fn skipped(&self, pool: &SqlitePool) -> Outcome<i64> {
            sqlx::query_scalar("SELECT 3").fetch_one(pool).await
        }
    }

    pub(super) trait Named {
        async fn name(&self, pool: &SqlitePool) -> Outcome<String> {
            sqlx::query_scalar("SELECT 'name'").fetch_one(pool).await
        }
    }

    impl Named for Exam {}

    #[sqlx::track(max_queries = 1)]
    pub(super) mod deeper {
        pub(crate) async fn free(pool: &super::SqlitePool) -> super::Outcome<i64> {
            sqlx::query_scalar("SELECT 4").fetch_one(pool).await
        }
    }

    #[sqlx::track(skip)]
    pub(super) mod skipped {
        pub(crate) async fn free(pool: &super::SqlitePool) -> super::Outcome<i64> {
            sqlx::query_scalar("SELECT 5").fetch_one(pool).await
        }
    }
}

#[track]
mod empty {}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> sqlx::Result<()> {
    use exams::Named as _;

    let pool = leash_tests::in_memory().await;
    assert_eq!(exams::free(&pool).await?, 1);
    let exam = exams::Exam::load(&pool).await?;
    assert_eq!(exam.id, 2);
    assert_eq!(exam.skipped(&pool).await?, exams::LIMIT);
    assert_eq!(exam.name(&pool).await?.len(), exams::NAMES[0].len());
    assert_eq!(exams::deeper::free(&pool).await?, 4);
    assert_eq!(exams::skipped::free(&pool).await?, 5);
    Ok(())
}
