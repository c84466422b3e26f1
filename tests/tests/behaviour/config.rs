//! Configuration: attribute, environment, code, default; the cap, the switch, and the reports of mistakes.

mod failing;
mod off;
mod order;
mod printing;
mod reporting;
mod values;
use std::sync::Mutex;

use futures::FutureExt;
use sqlx::leash::{self, Level};
use sqlx::{SqlitePool, track};

use crate::common::{Tx, of_leaks, pool};

/// Transactions that are kept for good.
pub(crate) static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

#[track]
async fn default(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(warn(outlived_scope))]
async fn warned(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(allow(outlived_scope, reason = "the test wants it"))]
async fn allowed(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

#[track(deny(leaks))]
async fn denied(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

/// The levels of the findings about [`default`], [`warned`], [`allowed`] and [`denied`]; `None` where there is no
/// finding.
async fn levels() -> [Option<Level>; 4] {
    let pool = pool().await;
    let mut levels = [None; 4];
    let futures = [
        default(&pool).boxed(),
        warned(&pool).boxed(),
        allowed(&pool).boxed(),
        denied(&pool).boxed(),
    ];
    for (level, future) in levels.iter_mut().zip(futures) {
        let ((), findings) = leash::testing::findings(future).await;
        let findings = of_leaks(findings);
        assert!(findings.len() <= 1);
        *level = findings.first().map(|finding| finding.level);
    }
    levels
}

const ALLOW: Option<Level> = None;
const WARN: Option<Level> = Some(Level::Warn);
const DENY: Option<Level> = Some(Level::Deny);
/// The level without any configuration.
const DEFAULT: Option<Level> = if cfg!(debug_assertions) { DENY } else { WARN };
