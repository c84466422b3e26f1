//! `examples/grafana`: the board and the alerts, by Prometheus itself, on the metrics of a program with load and a fault.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use leash_tests::in_child;
use leash_tests::support::{Prometheus, prometheus, promtool, say};
use serde_json::Value;
use sqlx::leash::{self, PoolExt};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, track};

/// What Prometheus is asked must have an answer within this time.
const PATIENCE: Duration = Duration::from_mins(2);

fn example(file: &str) -> PathBuf {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/grafana");
    PathBuf::from(examples).join(file)
}

/// Runs a check of `promtool`, which must pass.
fn passes(arguments: &[&str], input: &str) {
    if let Some(output) = promtool(arguments, input) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}:\n{out}\n{err}");
    }
}

#[test]
fn each_alert_fires_and_stays_silent() {
    passes(
        &["check", "rules", example("alerts.yml").to_str().unwrap()],
        "",
    );
    let tests = example("alerts_test.yml");
    passes(&["test", "rules", tests.to_str().unwrap()], "");
    let tests = fs::read_to_string(tests).unwrap();
    for alert in expressions_of_alerts().keys() {
        let is_tested = |ends: &str| tests.contains(&format!("alertname: {alert}{ends}"));
        assert!(is_tested("\n"), "no test lets {alert} fire");
        assert!(
            is_tested(", exp_alerts: [] }"),
            "no test has {alert} silent"
        );
    }
}

/// The names of the alerts, with their expressions.
fn expressions_of_alerts() -> BTreeMap<String, String> {
    let rules = fs::read_to_string(example("alerts.yml")).unwrap();
    let alerts = rules.split("- alert: ").skip(1).map(|alert| {
        let (name, rest) = alert.split_once('\n').unwrap();
        let (_, rest) = rest.split_once("expr: ").unwrap();
        let end = ["\n        for: ", "\n        labels:"];
        let end = end.iter().filter_map(|end| rest.find(end)).min().unwrap();
        let expression = rest[..end].trim_start_matches(">-");
        (name.to_owned(), expression.trim().to_owned())
    });
    alerts.collect()
}

/// The queries of a panel, with the title of the panel, and what the variables of the board ask.
fn queries_of_the_board() -> Vec<(String, String)> {
    let board = fs::read_to_string(example("dashboard.json")).unwrap();
    let board: Value = serde_json::from_str(&board).unwrap();
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((
                title.to_owned(),
                target["expr"].as_str().unwrap().to_owned(),
            ));
        }
    }
    for variable in board["templating"]["list"].as_array().unwrap() {
        if let Some(asks) = variable["query"]["query"].as_str() {
            let asks = asks.strip_prefix("label_values(").unwrap();
            let (series, label) = asks.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
            let name = variable["name"].as_str().unwrap();
            queries.push((format!("${name}"), format!("count by ({label}) ({series})")));
        }
    }
    queries
}

/// The query as Grafana sends it while everything is chosen.
fn filled(query: &str) -> String {
    let mut query = query.to_owned();
    for (variable, value) in [
        ("$__rate_interval", "5s"),
        ("$__range", "1m"),
        ("$instance", ".*"),
        ("$job", ".*"),
        ("$pool", ".*"),
    ] {
        query = query.replace(variable, value);
    }
    assert!(!query.contains('$'), "a variable is left: {query}");
    query
}

/// Whether the answer has a number in it.
fn has_data(answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let values = answer.as_array().expect("a vector").iter();
    values
        .filter_map(|sample| sample["value"][1].as_str())
        .any(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
}

/// Answers each connection with the metrics.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut part = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => head.extend_from_slice(&part[..read]),
                }
            }
            let metrics = leash::prometheus();
            let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";
            let _ = stream.write_all((head.to_owned() + &metrics).as_bytes());
        }
    });
    address
}

fn config(address: SocketAddr) -> String {
    format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n\
         - job_name: program\n  \
           static_configs: [{{ targets: ['{address}'] }}]\n"
    )
}

async fn pool(name: &str, max_connections: u32) -> SqlitePool {
    let options = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_millis(300))
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    pool.named(name)
}

#[track(warn(outlived_scope, nested_acquire))]
mod load {
    use super::*;

    /// A query, a transaction that is committed, one that is dropped, a statement that is wrong, a stream that is not read to
    /// its end, and a connection that is closed.
    pub(super) async fn works(pool: &SqlitePool) -> sqlx::Result<()> {
        sqlx::query(leash_tests::HUNDRED).fetch_all(pool).await?;
        let mut tx = pool.begin().await?;
        sqlx::query("CREATE TEMPORARY TABLE IF NOT EXISTS seen (id INTEGER)")
            .execute(&mut *tx)
            .await?;
        // In this time it is idle in transaction.
        tokio::time::sleep(Duration::from_millis(30)).await;
        sqlx::query("INSERT INTO seen VALUES (1)")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        drop(pool.begin().await?);
        let wrong = sqlx::query("SELECT nothing FROM nowhere").execute(pool);
        assert!(wrong.await.is_err());
        let mut rows = sqlx::query(leash_tests::HUNDRED).fetch(pool);
        rows.try_next().await?;
        drop(rows);
        let mut conn = pool.acquire().await?;
        conn.close_on_drop();
        Ok(())
    }

    /// Takes the only permit of a pool; the others wait until they time out.
    pub(super) async fn hoards(pool: &SqlitePool) {
        let held = pool.acquire().await;
        let waiting = (0..3).map(|_| pool.acquire());
        let ended = futures::future::join_all(waiting).await;
        assert!(ended.iter().any(Result::is_err));
        drop(held);
    }

    /// Keeps a handle of `pool` in `kept`.
    pub(super) async fn leaks(
        pool: &SqlitePool,
        kept: &mut Vec<sqlx::pool::PoolConnection<sqlx::Sqlite>>,
    ) {
        kept.push(pool.acquire().await.unwrap());
    }
}

/// Loads three pools for ever.
async fn loads() {
    let (busy, dry, leaky) = (
        pool("busy", 3).await,
        pool("dry", 1).await,
        pool("leaky", 40).await,
    );
    let works = async {
        loop {
            load::works(&busy).await.unwrap();
        }
    };
    let runs_dry = async {
        loop {
            load::hoards(&dry).await;
        }
    };
    let mut kept = Vec::new();
    let keeps = async {
        loop {
            if kept.len() == 30 {
                kept.clear();
            }
            load::leaks(&leaky, &mut kept).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    futures::join!(works, runs_dry, keeps);
}

/// Asks each query until it has data. Those without any at the end are in the panic.
fn all_have_data(prometheus: &mut Prometheus) {
    let mut left = queries_of_the_board();
    assert!(left.len() > 40, "{left:#?}");
    let deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        left.retain(|(_, query)| {
            !prometheus
                .query(&filled(query))
                .is_ok_and(|it| has_data(&it))
        });
        if Instant::now() > deadline {
            let answers = left.iter().map(|(title, query)| {
                let query = filled(query);
                format!("{title}: {query}: {:?}", prometheus.query(&query))
            });
            panic!("no data: {:#?}", answers.collect::<Vec<_>>());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let deadline = Instant::now() + PATIENCE;
    for (alert, expression) in expressions_of_alerts() {
        if let Err(error) = prometheus.query(&expression) {
            panic!("{alert}: {error}");
        }
    }
    // This one is due at once.
    let fires = "ALERTS{alertname=\"SqlxAcquireTimeouts\", alertstate=\"firing\", db_client_connection_pool_name=\"dry\"}";
    while !prometheus.query(fires).is_ok_and(|it| has_data(&it)) {
        assert!(Instant::now() < deadline, "timeouts raise no alert");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_query_returns_data() {
    let test = "grafana::every_query_returns_data";
    let printed = in_child(
        test,
        &[("SQLX_LEASH", "print=/dev/null,metrics_sites=on")],
        |runtime| {
            let rules = fs::read_to_string(example("alerts.yml")).unwrap();
            let Some(mut prometheus) = prometheus(&config(serve()), &rules) else {
                return;
            };
            runtime.block_on(async {
                let asks = tokio::task::spawn_blocking(move || all_have_data(&mut prometheus));
                tokio::select! {
                    asked = asks => asked.unwrap(),
                    () = loads() => unreachable!("the load never ends"),
                }
            });
            passes(&["check", "metrics"], &leash::prometheus());
        },
    );
    // The words of a skipped test are those of the child.
    if let Some(skipped) = printed.err.lines().find(|line| line.starts_with("SKIPPED")) {
        say(skipped);
    }
}
