//! Queries within macros, known and unknown.

#![deny(warnings, rust_2018_idioms)]

use std::time::Duration;

use futures::StreamExt;
use sqlx::{SqlitePool, track};

macro_rules! unknown {
    ($future:expr) => {
        $future.await
    };
}

struct Repo {
    pool: SqlitePool,
}

#[track]
impl Repo {
    async fn find(&self, id: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await
    }

    async fn joined(&self) -> sqlx::Result<i64> {
        let (a, b) = tokio::join!(self.find(1), async {
            sqlx::query_scalar::<_, i64>("SELECT 2")
                .fetch_one(&self.pool)
                .await
        });
        let (c, d) = tokio::try_join!(
            biased;
            sqlx::query_scalar::<_, i64>("SELECT 3").fetch_one(&self.pool),
            self.find(4),
        )?;
        let e = futures::join!(sqlx::query_scalar::<_, i64>("SELECT 5").fetch_one(&self.pool)).0;
        let (f,) = futures::try_join!(self.find(6))?;
        Ok(a? + b? + c + d + e? + f)
    }

    async fn selected(&self, wanted: bool) -> sqlx::Result<i64> {
        let sleep = std::pin::pin!(tokio::time::sleep(Duration::from_secs(60)));
        tokio::select! {
            biased;
            row = sqlx::query_scalar("SELECT 7").fetch_one(&self.pool), if wanted => row,
            Ok(row) = self.find(8), if !wanted => {
                sqlx::query("SELECT 8").execute(&self.pool).await?;
                Ok(row)
            }
            () = sleep => return Err(sqlx::Error::PoolTimedOut),
            else => Err(sqlx::Error::RowNotFound),
        }
    }

    async fn selected_among_streams(&self) -> sqlx::Result<i64> {
        let mut rows = sqlx::query_scalar("SELECT 9").fetch(&self.pool).fuse();
        futures::select! {
            row = rows.next() => row.unwrap_or(Ok(0)),
            complete => Ok(0),
        }
    }

    async fn asserted(&self) -> sqlx::Result<i64> {
        assert!(sqlx::query("SELECT 10").execute(&self.pool).await.is_ok());
        assert!(self.find(11).await.is_ok(), "message {}", self.pool.size());
        assert_eq!(self.find(12).await?, 12);
        assert_ne!(
            sqlx::query_scalar::<_, i64>("SELECT 13")
                .fetch_one(&self.pool)
                .await?,
            0,
            "zero"
        );
        debug_assert!(matches!(self.find(14).await, Ok(number) if number > 0));
        if matches!(
            sqlx::query("SELECT 15").fetch_optional(&self.pool).await,
            Ok(Some(_))
        ) {
            return Ok(15);
        }
        unreachable!("{}", self.find(16).await?)
    }

    async fn formatted(&self) -> sqlx::Result<String> {
        let all = vec![
            sqlx::query_scalar::<_, i64>("SELECT 17")
                .fetch_one(&self.pool)
                .await?,
            self.find(18).await?,
        ];
        let same = vec![self.find(19).await?; 2];
        tracing::info!(number = self.find(20).await?, "numbered");
        tracing::debug!("{}", self.find(21).await?);
        println!("{:?} {name}", self.find(22).await?, name = all.len());
        let mut text = format!("{} {all:?} {same:?}", self.find(23).await?);
        std::fmt::Write::write_fmt(&mut text, format_args!("{}", self.find(24).await?)).unwrap();
        Ok(text)
    }

    async fn pinned(&self) -> sqlx::Result<i64> {
        let future =
            std::pin::pin!(sqlx::query_scalar::<_, i64>("SELECT 25").fetch_one(&self.pool));
        let number = future.await?;
        tokio::pin! {
            let later = self.find(26);
        }
        Ok(number + (&mut later).await?)
    }

    async fn within_unknown(&self) -> sqlx::Result<i64> {
        let number: i64 = unknown!(sqlx::query_scalar("SELECT 27").fetch_one(&self.pool))?;
        Ok(number + unknown!(self.find(28))?)
    }
}

#[tokio::test]
async fn runs() -> sqlx::Result<()> {
    let pool = leash_tests::in_memory().await;
    let repo = Repo { pool };
    assert_eq!(repo.joined().await?, 21);
    assert_eq!(repo.selected(true).await?, 7);
    assert_eq!(repo.selected(false).await?, 8);
    assert_eq!(repo.selected_among_streams().await?, 9);
    assert_eq!(repo.asserted().await?, 15);
    assert_eq!(repo.formatted().await?, "23 [17, 18] [19, 19]24");
    assert_eq!(repo.pinned().await?, 51);
    assert_eq!(repo.within_unknown().await?, 55);
    Ok(())
}
