//! The texts of findings about exhausted pools. The times vary from run to run, so each is replaced by `…`.

mod deadlocks;
mod timeouts;

use std::future::Future;

use expect_test::Expect;
use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Backend, Finding, Lint};
use sqlx::{SqlitePool, track};
use tokio::sync::{Barrier, Notify};

use crate::common::{TestPool, settled};

type Result = sqlx::Result<()>;

#[track_caller]
fn check(finding: &Finding, expected: &Expect) {
    expected.assert_eq(&settled(&finding.render()));
}

/// Runs `future` until the lint reports a finding about the pool, and returns the finding.
async fn found<DB: Backend>(
    lint: Lint,
    pool: &TestPool<DB>,
    future: impl Future<Output = ()>,
) -> Finding {
    let run = async {
        tokio::select! {
            biased;
            (_, finding) = pool.first_of(lint) => finding,
            () = async { future.await; std::future::pending().await } => unreachable!(),
        }
    };
    findings(Box::pin(run)).await.0
}

struct Shop {
    pool: SqlitePool,
    both_here: Barrier,
    taken: Notify,
}

impl Shop {
    fn of(pool: &SqlitePool) -> Self {
        Self {
            pool: pool.clone(),
            both_here: Barrier::new(2),
            taken: Notify::new(),
        }
    }
}

#[track]
impl Shop {
    async fn place_order(&self) -> Result {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT 'an order'").execute(&mut *tx).await?;
        self.both_here.wait().await;
        self.reserve_stock().await?;
        tx.commit().await
    }

    async fn reserve_stock(&self) -> Result {
        self.next_number().await
    }

    async fn next_number(&self) -> Result {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    async fn export(&self) -> Result {
        let mut rows = sqlx::query("SELECT 1 UNION SELECT 2").fetch(&self.pool);
        while let Some(_row) = rows.try_next().await? {
            self.next_number().await?;
        }
        Ok(())
    }

    async fn print(&self) -> Result {
        let conn = self.pool.acquire().await?;
        let printer = self.pool.acquire().await?;
        drop(printer);
        drop(conn);
        Ok(())
    }

    async fn pay(&self) -> Result {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT 'a payment'").execute(&mut *tx).await?;
        self.taken.notify_one();
        call_the_bank().await;
        tx.commit().await
    }

    async fn list(&self) -> Result {
        sqlx::query("SELECT 'a list'").fetch_all(&self.pool).await?;
        Ok(())
    }
}

async fn call_the_bank() {
    std::future::pending::<()>().await;
}

/// Compares a finding without the figures of the load, which depend on the machine.
#[track_caller]
fn check_without_load(finding: &Finding, expected: &Expect) {
    let text = settled(&finding.render());
    let (before, load) = text.split_once("needed on average ").expect("its figures");
    let (load, after) = load.split_once('\n').expect("further lines");
    // A time may be zero, and an average a whole number.
    let load = without_numbers(&load.replace('…', "0")).replace("#.#", "#");
    expected.assert_eq(&format!("{before}needed on average {load}\n{after}"));
}

/// The text without the numbers that depend on the machine.
fn without_numbers(text: &str) -> String {
    let digits = settled(text).replace(|c: char| c.is_ascii_digit(), "#");
    let mut text = String::new();
    for c in digits.chars() {
        if !(c == '#' && text.ends_with('#')) {
            text.push(c);
        }
    }
    text
}
