//! The requests at which the handle that is kept is seen.

use std::time::Duration;

use sqlx::leash::{self, Certainty, Finding, Lint, Verdict};
use sqlx::{SqlitePool, track};

use crate::common::{
    Place, TestPool, assert_certainty, assert_helps, assert_none, bare_pool_of, connect, none_of,
    only_of, options, related, said,
};

use super::{
    Result, Tenant, Work, count, extract, found, place_of as at, sitemap, with_the_connection,
};

fn nested(found: &[Finding]) -> &Finding {
    let finding = only_of(Lint::NestedAcquire, found);
    assert_certainty(finding, Certainty::Likely);
    assert_eq!(said(finding, "tasks at once (Tn)"), "1");
    assert_eq!(said(finding, "connections per task (Cm)"), "2");
    finding
}

#[tokio::test]
async fn an_extractors_connection_at_the_first_request() {
    let pool = bare_pool_of(2).await;
    let (ended, found) = found(async { sitemap(extract(&pool).await?).await }).await;
    ended.unwrap();
    let finding = nested(&found);
    assert_eq!(
        Place::from(&finding.primary),
        at("kept sitemap", "fetch_one")
    );
    related(finding, &at("kept extracted", "acquire"));
    assert!(
        finding
            .title
            .contains("while a value that findings::kept::extract returned holds a connection"),
        "{}",
        finding.title
    );
    assert_helps(
        finding,
        "let findings::kept::extract return the pool in its place",
    );
}

/// As in a server: each request is a task, without any scope around it.
#[tokio::test]
async fn without_a_scope_around_it() {
    let pool = bare_pool_of(2).await;
    let request = {
        let pool = SqlitePool::clone(&pool);
        async move { sitemap(extract(&pool).await?).await }
    };
    tokio::spawn(request).await.unwrap().unwrap();
    nested(&pool.received_of(Lint::NestedAcquire));
}

#[tokio::test]
async fn with_a_named_scope_around_it() {
    let pool = bare_pool_of(2).await;
    let request = async { sitemap(extract(&pool).await?).await };
    let (ended, found) = found(leash::scope("request", request)).await;
    ended.unwrap();
    nested(&found);
}

#[track]
async fn by_a_callee(tenant: &mut Tenant) -> Result<i64> {
    count(&tenant.pool).await
}

#[tokio::test]
async fn behind_a_mutable_reference_and_in_a_callee() {
    let pool = bare_pool_of(2).await;
    let request = async { by_a_callee(&mut extract(&pool).await?).await };
    let (ended, found) = found(request).await;
    ended.unwrap();
    let finding = nested(&found);
    assert_eq!(Place::from(&finding.primary), at("kept count", "fetch_one"));
}

#[tokio::test]
async fn a_unit_of_work_that_this_task_has_used() {
    let pool = bare_pool_of(2).await;
    let (ended, found) = found(async {
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        count(&pool).await?;
        work.commit().await
    })
    .await;
    ended.unwrap();
    nested(&found);
    let outside = only_of(Lint::OutsideTransaction, &found);
    assert_certainty(outside, Certainty::Likely);
    related(outside, &at("kept begin", "begin"));
    assert!(
        outside
            .title
            .contains("while a value that findings::kept::Work::begin returned has a transaction"),
        "{}",
        outside.title
    );
}

/// A pool of this size whose acquires give up soon.
async fn small(max_connections: u32) -> TestPool {
    connect(options(max_connections).acquire_timeout(Duration::from_secs(1))).await
}

/// Two requests at once, and two permits: each has its first, and waits for its second.
#[tokio::test]
async fn in_a_small_pool_it_is_a_deadlock() {
    let pool = small(2).await;
    let extracted = tokio::sync::Barrier::new(2);
    let request = || async {
        let tenant = extract(&pool).await?;
        extracted.wait().await;
        sitemap(tenant).await
    };
    let both = async {
        let (one, other) = futures::join!(task(request()), task(request()));
        one.and(other)
    };
    both.await.unwrap_err();
    let found = pool.received_of(Lint::PoolDeadlock);
    let finding = only_of(Lint::PoolDeadlock, &found);
    assert_certainty(finding, Certainty::Likely);
    assert_eq!(
        Place::from(&finding.primary),
        at("kept sitemap", "fetch_one")
    );
    related(finding, &at("kept extracted", "acquire"));
    let found = pool.received_of(Lint::PoolTimeout);
    assert!(!found.is_empty());
    assert_eq!(found[0].verdict, Some(Verdict::Deadlock));
}

/// Polls a future with a waker of its own, as a task does.
async fn task<T>(future: impl Future<Output = T>) -> T {
    use futures::StreamExt;
    let mut alone = futures::stream::FuturesUnordered::new();
    alone.push(future);
    alone.next().await.unwrap()
}

/// Nothing shows that the task still has it: the verdict says on what it depends.
#[tokio::test]
async fn in_doubt_the_verdict_names_the_task() {
    let pool = small(1).await;
    let request = async {
        let tenant = extract(&pool).await?;
        let counted = count(&pool).await;
        drop(tenant);
        counted
    };
    task(request).await.unwrap_err();
    assert_none(&pool.received_of(Lint::PoolDeadlock));
    let found = pool.received_of(Lint::PoolTimeout);
    let finding = only_of(Lint::PoolTimeout, &found);
    assert_eq!(finding.verdict, Some(Verdict::Hoarder));
    assert_certainty(finding, Certainty::Likely);
    assert!(
        finding.cause.ends_with("in the task in which findings::kept::extract returned this one: if that task still has it, neither can go on"),
        "{}",
        finding.cause
    );
}

#[tokio::test]
async fn the_corrected_forms_are_silent() {
    let pool = bare_pool_of(2).await;
    let (ended, found) = found(async {
        with_the_connection(extract(&pool).await?).await?;
        let mut work = Work::begin(&pool).await?;
        work.insert().await?;
        work.commit().await?;
        count(&pool).await
    })
    .await;
    ended.unwrap();
    none_of(Lint::NestedAcquire, &found);
    assert_none(&found);
}
