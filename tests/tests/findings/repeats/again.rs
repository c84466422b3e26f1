//! Near misses: the same text with the same arguments, whose answer may be another one each time. And how much a repeated
//! read would save.

use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::common::assert_none;

/// Runs it in a root scope of its own, and asserts that nothing is found.
async fn is_silent(body: impl Future<Output = sqlx::Result<()>>) {
    let (done, found) = findings(body).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn until_done(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut left = 8;
    loop {
        lookup(pool, 1).await?;
        left -= 1;
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[track]
async fn some_attempts(pool: &SqlitePool) -> sqlx::Result<()> {
    for attempt in 0..8 {
        lookup(pool, 1).await?;
        assert!(attempt < 8);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

#[tokio::test]
async fn polling_for_a_state() {
    let pool = exams(1).await;
    is_silent(until_done(&pool)).await;
    is_silent(some_attempts(&pool)).await;
}

#[track]
async fn works(pool: &SqlitePool, mut jobs: mpsc::Receiver<i64>) -> sqlx::Result<()> {
    while let Some(job) = jobs.recv().await {
        lookup(pool, job).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_whose_jobs_read_the_same() {
    let pool = exams(1).await;
    let (jobs, received) = mpsc::channel(30);
    for _ in 0..20 {
        jobs.send(1).await.unwrap();
    }
    drop(jobs);
    is_silent(works(&pool, received)).await;
}

#[track]
async fn by_chance(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..6 {
        sqlx::query("SELECT name FROM exam ORDER BY random() LIMIT 1")
            .fetch_one(pool)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn rows_by_chance() {
    is_silent(by_chance(&*exams(9).await)).await;
}

#[track]
async fn settings(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..6 {
        sqlx::query("PRAGMA user_version").fetch_one(pool).await?;
        sqlx::query("PRAGMA table_info(exam)")
            .fetch_all(pool)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn settings_are_no_tables() {
    is_silent(settings(&*pool().await)).await;
}

#[track]
async fn of_each_shard(shards: &[TestPool]) -> sqlx::Result<()> {
    for shard in shards {
        lookup(shard, 1).await?;
    }
    for (id, shard) in (0..).zip(shards) {
        lookup(shard, id).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_question_to_different_pools() {
    let mut shards = Vec::new();
    for _ in 0..12 {
        shards.push(exams(1).await);
    }
    let (done, found) = findings(of_each_shard(&shards)).await;
    done.unwrap();
    assert_none(&found);
}

#[track]
async fn reads_and_writes(pool: &SqlitePool) -> sqlx::Result<()> {
    for round in 0..5 {
        lookup(pool, 1).await?;
        if round == 0 {
            sqlx::query("UPDATE exam SET name = 'new'")
                .execute(pool)
                .await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_write_after_the_first_read() {
    is_silent(reads_and_writes(&*exams(1).await)).await;
}

async fn plain_write(conn: &mut sqlx::SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO exam VALUES (NULL, 'x')")
        .execute(conn)
        .await?;
    Ok(())
}

#[track]
async fn writes_unseen(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for _ in 0..6 {
        plain_write(&mut tx).await?;
        sqlx::query("SELECT count(*) FROM exam")
            .fetch_one(&mut *tx)
            .await?;
    }
    tx.commit().await
}

#[tokio::test]
async fn writes_of_code_that_is_not_seen() {
    is_silent(writes_unseen(&*pool().await)).await;
}

#[track]
async fn five_a_version(pool: &SqlitePool) -> sqlx::Result<()> {
    for round in 0..10 {
        if round == 5 {
            sqlx::query("UPDATE exam SET name = 'new'")
                .execute(pool)
                .await?;
        }
        lookup(pool, 1).await?;
    }
    Ok(())
}

#[track]
async fn two_by_turns(pool: &SqlitePool) -> sqlx::Result<()> {
    for round in 0..10 {
        lookup(pool, round % 2).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_saved_is_what_was_there_already() {
    let pool = exams(2).await;
    for found in [
        findings(five_a_version(&pool)).await.1,
        findings(two_by_turns(&pool)).await.1,
    ] {
        let found = check(found, Lint::RedundantQuery, Likely, &at_lookup());
        let said = found.render();
        assert!(said.contains("5 times with the same arguments"), "{said}");
        assert!(said.contains("reading each once saves at least"), "{said}");
        assert!(said.contains("(8 × "), "{said}");
        assert!(said.contains("saved 8 of these 10 calls"), "{said}");
    }
}
