//! What the page shows, read as `/state.json` and as text.

use std::time::{Duration, Instant};

use leash_tests::until;
use serde_json::Value;
use sqlx::leash::HandleExt;
use sqlx::leash::board::{self, Board};
use sqlx::track;

use crate::common::{body, get, state_of};
use crate::programs::pool;

/// The rows of a kind whose pool, or whose name, is this one.
fn rows(state: &Value, kind: &str, of: &str) -> Vec<Value> {
    let rows = state[kind]["rows"].as_array().unwrap().iter();
    let is_of = |row: &&Value| row["pool"] == of || row["name"] == of;
    rows.filter(is_of).cloned().collect()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[track]
async fn holds(pool: &sqlx::SqlitePool) {
    // The findings are kept from here on.
    let board = Board::new();
    let mut tx = pool.begin().await.unwrap(); // @held
    sqlx::query("SELECT 'held'")
        .execute(&mut *tx)
        .await
        .unwrap();
    let mut kept = pool
        .acquire()
        .await
        .unwrap()
        .long_lived("the test keeps it");
    sqlx::query("SELECT 'kept'")
        .execute(&mut *kept)
        .await
        .unwrap();
    let waiting = waits(pool);
    let looks = async {
        until("the page says why one waits", || {
            let pools = rows(&state_of(&board), "pools", "permits");
            !pools[0]["verdict"].is_null()
        })
        .await;
        let state = state_of(&board);
        check(&state);
        check_findings(&state);
    };
    tokio::pin!(waiting);
    tokio::select! {
        () = &mut waiting => unreachable!("both permits are held"),
        () = looks => {}
    }
}

#[track]
async fn waits(pool: &sqlx::SqlitePool) {
    sqlx::query("SELECT 'waits'").execute(pool).await.unwrap();
}

/// The finding of the second permit that is taken, in full and in summaries.
fn check_findings(state: &Value) {
    let of = |state: &Value| {
        let findings = rows(state, "findings", "permits");
        let of_lint = |row: &&Value| row["lint"] == "nested_acquire";
        findings.iter().find(of_lint).expect("it was found").clone()
    };
    let text = of(state)["text"].as_str().unwrap().to_owned();
    let source = "let mut tx = pool.begin().await.unwrap();";
    assert!(text.starts_with("warning[nested_acquire]: "), "{text}");
    assert!(text.contains(source), "{text}");
    assert!(text.contains("= help: "), "{text}");
    let summaries = of(&state_of(&Board::new().summaries_only()));
    let text = summaries["text"].as_str().unwrap();
    assert!(!text.contains(source) && !text.contains("help"), "{text}");
    assert!(text.contains("tests/tests/board/shown.rs:"), "{text}");
}

fn check(state: &Value) {
    let [pool] = &rows(state, "pools", "permits")[..] else {
        panic!("one pool: {state}");
    };
    let permits = &pool["permits"];
    assert_eq!(permits["idle_in_transaction"], 1, "{pool}");
    assert_eq!(permits["reserved"], 1);
    assert_eq!(permits["free"], 0);
    assert_eq!(pool["waiting"], 1);
    assert_eq!(pool["acquire_timeout_ms"], 120_000.0);
    assert!(number(&pool["oldest_wait_ms"]) >= 1_000.0);
    assert_eq!(pool["verdict"]["verdict"], "hoarder", "{pool}");

    let holders = rows(state, "holders", "permits");
    let [oldest, kept] = &holders[..] else {
        panic!("two holders: {holders:?}");
    };
    assert_eq!(oldest["state"], "idle in transaction");
    assert_eq!(oldest["transaction_depth"], 1);
    assert_eq!(oldest["function"], "board::shown::holds");
    let at = oldest["at"].as_str().unwrap();
    assert!(at.contains("tests/tests/board/shown.rs:"), "{at}");
    assert!(oldest["last"]["summary"] == "SELECT", "{oldest}");
    assert!(
        number(&oldest["age_ms"]) >= number(&kept["age_ms"]),
        "oldest first"
    );
    assert!(number(&oldest["idle_ms"]) > 0.0);
    assert_eq!(oldest["limit"]["lint"], "held_idle");
    assert_eq!(oldest["limit"]["limit_ms"], 5_000.0);
    assert_eq!(kept["reserved"], "the test keeps it");
    assert!(kept["limit"].is_null());

    let [waiter] = &rows(state, "waiters", "permits")[..] else {
        panic!("one waiter");
    };
    assert_eq!(waiter["function"], "board::shown::waits");
    assert_eq!(waiter["request"], "board::shown::holds");
    assert_eq!(
        oldest["waits_for"]["waiter"], waiter["id"],
        "it waits below the holder"
    );
}

#[tokio::test]
async fn permits_holders_and_waiters() {
    holds(&pool("permits", 2).await).await;
}

#[track]
async fn calls(pool: &sqlx::SqlitePool) {
    for _ in 0..3 {
        sqlx::query("SELECT 'counted'").execute(pool).await.unwrap();
    }
    sqlx::query("SELECT nothing FROM nowhere")
        .execute(pool)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn call_sites_with_their_share() {
    calls(&pool("counted", 1).await).await;
    let state = state_of(&Board::new());
    let all = state["sites"]["rows"].as_array().unwrap();
    let find = |sql: &str| all.iter().find(|site| site["sql"] == sql).unwrap();
    let site = find("SELECT 'counted'");
    assert_eq!((&site["calls"], &site["errors"]), (&3.into(), &0.into()));
    assert_eq!(site["function"], "board::shown::calls");
    let buckets = site["buckets"].as_array().unwrap();
    let counted: u64 = buckets.iter().filter_map(|bucket| bucket[1].as_u64()).sum();
    assert_eq!(counted, 3);
    assert!(number(&site["time"]["total_ms"]) <= number(&state["sites_time_ms"]));
    assert_eq!(find("SELECT nothing FROM nowhere")["errors"], 1);
    let acquires = state["acquires"]["rows"].as_array().unwrap();
    assert!(
        acquires
            .iter()
            .any(|row| row["function"] == "board::shown::calls" && row["acquired"] == 3)
    );
}

#[tokio::test]
async fn rows_are_bounded_and_the_order_decides_which_are_shown() {
    let pool = pool("many", 1).await;
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n";
    for number in 0..400 {
        let text = sqlx::AssertSqlSafe(format!("{slow} -- {number}"));
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    for _ in 0..100 {
        sqlx::query("SELECT 'often'").execute(&pool).await.unwrap();
    }
    let read = |path: &str| -> Value {
        let response = board::respond("GET", path, "localhost");
        assert!(
            response.body.len() < 1 << 20,
            "{} bytes",
            response.body.len()
        );
        serde_json::from_slice(&response.body).unwrap()
    };
    let by_calls = read("/state.json?sort=calls");
    assert!(by_calls["sites"]["total"].as_u64().unwrap() > 400);
    let rows = by_calls["sites"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 200);
    assert_eq!(
        rows[0]["calls"].as_u64().unwrap(),
        rows.iter()
            .map(|row| row["calls"].as_u64().unwrap())
            .max()
            .unwrap()
    );
    assert!(rows.iter().any(|row| row["sql"] == "SELECT 'often'"));
    let text = body(&board::respond("GET", "/?format=text", "localhost"));
    let left_out =
        |line: &str| line.starts_with("not shown: ") && line.ends_with(" more call sites");
    assert!(text.lines().any(left_out), "{text}");
}

#[tokio::test]
async fn the_same_as_text() {
    let name = "\u{1b}]0;owned\u{7}";
    let pool = pool(name, 1).await;
    let _held = pool.acquire().await.unwrap();
    let text = body(&board::respond("GET", "/?format=text", "localhost"));
    assert!(text.contains("]0;owned"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'));
    assert!(text.contains("process "));
    assert_eq!(
        text.lines().next(),
        body(&board::respond(
            "GET",
            "/state.json?format=text",
            "localhost"
        ))
        .lines()
        .next()
    );
}

/// A runtime with one thread, which stands still while the page is read.
#[test]
fn while_the_runtime_stands_still_it_shows_the_verdict() {
    let printed = leash_tests::in_child(
        "shown::while_the_runtime_stands_still_it_shows_the_verdict",
        &[("SQLX_LEASH", "cap=warn")],
        |runtime| {
            let server = board::listen("127.0.0.1:0").unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                told.recv().unwrap();
                let begun = Instant::now();
                let verdict = loop {
                    let answer = get(server, "/state.json");
                    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
                    let state: Value = serde_json::from_str(json).unwrap();
                    let verdict = state["pools"]["rows"][0]["verdict"].clone();
                    if !verdict.is_null() || begun.elapsed() > Duration::from_secs(20) {
                        break verdict;
                    }
                };
                println!("the verdict is {}", verdict["verdict"]);
                println!("the child has ended normally");
                std::process::exit(0);
            });
            runtime.block_on(async move {
                let pool = pool("stands still", 1).await;
                let other = pool.clone();
                let mut held = pool.acquire().await.unwrap();
                sqlx::query("SELECT 1").execute(&mut *held).await.unwrap();
                let _waits = tokio::spawn(async move { other.acquire().await.map(drop) });
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                tell.send(()).unwrap();
                loop {
                    std::thread::sleep(Duration::from_secs(1));
                }
            });
        },
    );
    println!("{}", printed.out);
    assert!(
        printed.out.contains("the verdict is \"runtime_stall\""),
        "{}",
        printed.out
    );
}

#[test]
fn switched_off_it_says_so() {
    leash_tests::in_child(
        "shown::switched_off_it_says_so",
        &[("SQLX_LEASH", "off")],
        |runtime| {
            runtime.block_on(async {
                let pool = pool("off", 1).await;
                sqlx::query("SELECT 1").execute(&pool).await.unwrap();
            });
            let state = state_of(&Board::new());
            assert_eq!(
                state["untracked"],
                "sqlx-leash is switched off: nothing is tracked"
            );
        },
    );
}

#[track]
async fn repeats(pool: &sqlx::SqlitePool) {
    let _held = pool.begin().await.unwrap();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
    }
}

#[test]
fn findings_of_one_cause_are_one_row_and_those_before_the_page_are_not_shown() {
    leash_tests::in_child(
        "shown::findings_of_one_cause_are_one_row_and_those_before_the_page_are_not_shown",
        &[],
        |runtime| {
            runtime.block_on(async {
                let pool = pool("twice", 2).await;
                repeats(&pool).await;
                let board = Board::new();
                assert_eq!(state_of(&board)["findings"]["total"], 0);
                repeats(&pool).await;
                let state = state_of(&board);
                let findings = rows(&state, "findings", "twice");
                let lints: Vec<_> = findings
                    .iter()
                    .map(|it| (&it["lint"], &it["times"]))
                    .collect();
                assert_eq!(lints, [(&"nested_acquire".into(), &3.into())], "{state}");
                let found = state["lints"].as_array().unwrap().iter();
                let found: u64 = found.filter_map(|it| it["found"].as_u64()).sum();
                assert_eq!(found, 6, "all of them are counted");
            });
        },
    );
}

#[tokio::test]
async fn connections_that_were_opened_and_closed() {
    let pool = pool("connections", 1).await;
    pool.acquire().await.unwrap().close().await.unwrap();
    drop(pool.acquire().await.unwrap());
    let state = state_of(&Board::new());
    let [pool] = &rows(&state, "pools", "connections")[..] else {
        panic!("one pool: {state}");
    };
    let connections = &pool["connections"];
    assert_eq!(
        (&connections["opened"], &connections["closed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(connections["closed_by"][0][0], 1, "{connections}");
    assert_eq!(connections["closed_by"][0][1], "by the program");
}

#[tokio::test]
async fn two_pools_of_one_name_are_told_apart() {
    let board = Board::new();
    let first = pool("twins", 1).await;
    let second = pool("twins", 1).await;
    let held = second.acquire().await.unwrap();
    let state = state_of(&board);
    let [only] = &rows(&state, "holders", "twins #2")[..] else {
        panic!("one permit is held: {}", state["holders"]);
    };
    let [pool] = &rows(&state, "pools", "twins #2")[..] else {
        panic!("the younger has a number: {}", state["pools"]);
    };
    assert_eq!(only["pool_id"], pool["id"]);
    assert_eq!(rows(&state, "pools", "twins").len(), 1);
    drop((first, held));
}
