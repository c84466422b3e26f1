//! Near misses.

use std::time::Duration;

use super::*;
use crate::common::assert_none;

#[track]
async fn reads_after_writes(pool: &SqlitePool) -> sqlx::Result<()> {
    for round in 0..8_i64 {
        sqlx::query("UPDATE exam SET name = ? WHERE id = 1")
            .bind(round)
            .execute(pool)
            .await?;
        lookup(pool, 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_read_after_a_write_is_not_redundant() {
    let pool = exams(1).await;
    let (done, found) = findings(reads_after_writes(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn counts_after_writes(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..20_i64 {
        let query =
            sqlx::query("INSERT INTO exam VALUES (?, 'x') ON CONFLICT DO NOTHING").bind(id % 2);
        query.execute(pool).await?;
        sqlx::query("SELECT count(*) FROM exam")
            .fetch_one(pool)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_read_after_each_write_has_the_same_arguments() {
    let pool = pool().await;
    let (done, found) = findings(counts_after_writes(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn pages(pool: &SqlitePool) -> sqlx::Result<()> {
    for page in 0..20_i64 {
        let query = sqlx::query("SELECT * FROM exam ORDER BY id LIMIT 2 OFFSET ?").bind(page * 2);
        query.fetch_all(pool).await?;
    }
    for chunk in 0..20_i64 {
        let query = sqlx::query("SELECT * FROM exam WHERE id IN (?, ?)").bind(chunk);
        query.bind(chunk + 1).fetch_all(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pages_and_batches() {
    let pool = exams(40).await;
    let (done, found) = findings(pages(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn without_a_table(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..20_i64 {
        sqlx::query("SELECT 1 + ?").bind(id).fetch_all(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_text_without_a_table() {
    let (done, found) = findings(without_a_table(&*pool().await)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn polls(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..11 {
        lookup(pool, id).await?;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_paced_loop() {
    let pool = exams(1).await;
    let (done, found) = findings(polls(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn tries_again(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..20_i64 {
        let query = sqlx::query("INSERT INTO exam VALUES (1, ?)").bind(id);
        let _ = query.execute(pool).await;
    }
    Ok(())
}

#[tokio::test]
async fn calls_that_fail() {
    let pool = exams(1).await;
    let (done, found) = findings(tries_again(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track(root)]
async fn one_request(pool: &SqlitePool, id: i64) -> sqlx::Result<()> {
    lookup(pool, id).await?;
    Ok(())
}

#[track]
async fn serves(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..20 {
        one_request(pool, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_query_a_root() {
    let pool = exams(1).await;
    let (done, found) = findings(serves(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn works(pool: &SqlitePool, mut jobs: tokio::sync::mpsc::Receiver<i64>) -> sqlx::Result<()> {
    while let Some(id) = jobs.recv().await {
        lookup(pool, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_waits_for_its_jobs() {
    let pool = exams(1).await;
    let (jobs, received) = tokio::sync::mpsc::channel(30);
    for id in 0..20 {
        jobs.send(id).await.unwrap();
    }
    drop(jobs);
    let (done, found) = findings(works(&pool, received)).await;
    done.unwrap();
    assert_none(&found);
}

#[tokio::test]
async fn different_sites() {
    #[track]
    async fn a(pool: &SqlitePool, id: i64) -> sqlx::Result<()> {
        let query = sqlx::query("SELECT name FROM exam WHERE id = ?").bind(id);
        query.fetch_all(pool).await?;
        Ok(())
    }
    #[track]
    async fn both(pool: &SqlitePool) -> sqlx::Result<()> {
        for id in 0..9 {
            a(pool, id).await?;
            lookup(pool, id).await?;
        }
        Ok(())
    }
    let pool = exams(1).await;
    let (done, found) = findings(both(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn is_cut_short(pool: &SqlitePool) -> sqlx::Result<()> {
    for id in 0..20 {
        lookup(pool, id).await?;
    }
    std::future::pending().await
}

#[tokio::test]
async fn a_root_that_was_cancelled() {
    let pool = exams(1).await;
    let (_, found) = findings(async {
        let never = Box::pin(is_cut_short(&pool));
        tokio::time::timeout(Duration::from_millis(500), never).await
    })
    .await;
    assert_none(&found);
}
