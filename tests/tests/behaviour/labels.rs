//! Living pools of one name are told apart by their labels.

use std::collections::HashSet;

use leash_tests::in_memory;
use sqlx::SqlitePool;
use sqlx::leash::{self, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;

/// The labels of the living pools whose names begin so, oldest pool first.
fn labels(prefix: &str) -> Vec<String> {
    let pools = leash::snapshot().pools.into_iter();
    let named = pools.filter(|pool| pool.name.starts_with(prefix));
    named.map(|pool| pool.label).collect()
}

fn lazy(name: &str) -> SqlitePool {
    let options = SqlitePoolOptions::new().max_connections(1);
    options.connect_lazy("sqlite::memory:").unwrap().named(name)
}

#[tokio::test]
async fn the_older_pool_has_the_name_alone() {
    let first = in_memory().await.named("labels: two");
    let second = in_memory().await.named("labels: two");
    let expected = ["labels: two", "labels: two #2"];
    assert_eq!(labels("labels: two"), expected);
    let clone = first.clone();
    drop(first);
    assert_eq!(labels("labels: two"), expected, "a clone is the same pool");
    drop(clone);
    assert_eq!(labels("labels: two"), ["labels: two #2"], "it is kept");
    let third = in_memory().await.named("labels: two");
    assert_eq!(labels("labels: two"), ["labels: two #2", "labels: two"]);
    drop((second, third));
}

#[tokio::test]
async fn a_pool_gets_its_label_with_its_name() {
    let first = lazy("renamed: a");
    let second = lazy("renamed: b");
    let second = second.named("renamed: a");
    assert_eq!(labels("renamed: "), ["renamed: a", "renamed: a #2"]);
    let second = second.named("renamed: a");
    assert_eq!(labels("renamed: "), ["renamed: a", "renamed: a #2"]);
    let first = first.named("renamed: b");
    assert_eq!(labels("renamed: "), ["renamed: b", "renamed: a #2"]);
    let second = second.named("renamed: b").named("renamed: a");
    assert_eq!(labels("renamed: "), ["renamed: b", "renamed: a"]);
    drop((first, second));
}

#[tokio::test]
async fn a_name_that_reads_like_a_label_has_its_own() {
    let pools = [" #2", "", "", " #3"].map(|end| lazy(&format!("labels: like{end}")));
    let expected = [" #2", "", " #3", " #3 #2"].map(|end| format!("labels: like{end}"));
    assert_eq!(labels("labels: like"), expected);
    drop(pools);
}

#[tokio::test]
async fn many_pools_of_one_name_have_different_labels() {
    let makes = (0..8).map(|_| tokio::task::spawn_blocking(|| lazy("labels: many")));
    let makes: Vec<_> = makes.collect();
    let mut pools = Vec::new();
    for make in makes {
        pools.push(make.await.unwrap());
    }
    pools.extend((0..192).map(|_| lazy("labels: many")));
    let all: HashSet<_> = labels("labels: many").into_iter().collect();
    let lowest = (2..=200).map(|number| format!("labels: many #{number}"));
    let expected = lowest.chain(["labels: many".to_owned()]).collect();
    assert_eq!(all, expected);
    drop(pools);
}

#[tokio::test]
async fn a_pool_that_opens_a_connection_at_once_is_one_pool() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", directory.path().join("e").display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    let pools = leash::snapshot().pools;
    let found = pools.iter().find(|it| it.name.contains(&url[7..20]));
    let found = found.expect("it is named after its database");
    assert_eq!(found.label, found.name);
    drop(pool);
}
