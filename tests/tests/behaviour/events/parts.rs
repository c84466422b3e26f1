//! The parts of a finding in its event, for machines, beside the drawing, for people.

use std::sync::Mutex;

use leash_tests::in_child;
use serde_json::Value;
use sqlx::leash::{self, Finding, Lint};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::track;
use tokio::runtime::Runtime;
use tokio::time::Duration;

use crate::common::{Tx, caught, connect, full_name, marked, pool};

use super::json::{Line, Log, OF_THE_FORMATTER};

const FINDING: &str = "sqlx_leash::finding";

/// The fields beside the drawing where only that is shown.
const BESIDE: [&str; 8] = [
    "lint",
    "lint_level",
    "certainty",
    "code.function.name",
    "code.file.path",
    "code.line.number",
    "code.column.number",
    "db.client.connection.pool.name",
];

/// The findings of the process.
static FOUND: Mutex<Vec<Finding>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Fields,
    Drawing,
    Both,
}

const FORMS: [(&str, Shown); 4] = [
    ("", Shown::Both),
    ("events=both", Shown::Both),
    ("events=fields", Shown::Fields),
    ("events=drawing", Shown::Drawing),
];

/// Runs `body` in a process for each form of the events.
#[track_caller]
fn in_each_form(test: &str, body: impl Fn(Shown, &Log, &Runtime)) {
    for (setting, _) in FORMS {
        let _ = in_child(test, &[("SQLX_LEASH", setting)], |runtime| {
            // The child begins with the first of the forms, and has the setting of its own.
            let setting = std::env::var("SQLX_LEASH").unwrap();
            let (_, shown) = *FORMS.iter().find(|(it, _)| *it == setting).unwrap();
            leash::on_finding(|finding| FOUND.lock().unwrap().push(finding.clone()));
            body(shown, &Log::start(), runtime);
        });
    }
}

/// The event of the only finding of this lint, with that finding.
#[track_caller]
fn only(log: &Log, lint: Lint) -> (Line, Finding) {
    let mut events = log.of(FINDING);
    events.retain(|event| event["lint"] == lint.name());
    let mut found = FOUND.lock().unwrap().clone();
    found.retain(|finding| finding.lint == lint);
    assert_eq!((events.len(), found.len()), (1, 1), "{events:#?}");
    (events.remove(0), found.remove(0))
}

fn text<'a>(event: &'a Line, name: &str) -> &'a str {
    let value = event.get(name).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no text `{name}`: {event:#?}"))
}

/// Everything that the finding has is in the event as it is set.
#[track_caller]
fn check(shown: Shown, event: &Line, finding: &Finding) {
    let message = text(event, "message");
    if shown == Shown::Fields {
        assert_eq!(message, finding.to_string());
        assert!(!message.contains('\n'), "{message}");
    } else {
        assert_eq!(message.trim_end(), finding.render().trim_end());
    }
    assert!(!message.contains('\u{1b}'), "{message}");
    if shown == Shown::Drawing {
        let mut names: Vec<_> = event.keys().map(String::as_str).collect();
        names.retain(|name| *name != "message" && !OF_THE_FORMATTER.contains(name));
        let mut beside = BESIDE.to_vec();
        beside.sort_unstable();
        assert_eq!(names, beside);
        return;
    }
    assert_eq!(text(event, "title"), finding.title);
    assert_eq!(text(event, "cause"), finding.cause);
    assert_eq!(text(event, "certainty"), finding.certainty.to_string());
    assert_eq!(text(event, "lint_level"), finding.level.name());
    assert_eq!(text(event, "help"), finding.help.join("\n"));
    assert_eq!(text(event, "notes"), finding.notes.join("\n"));
    let facts: Vec<_> = finding.facts.iter().map(ToString::to_string).collect();
    assert_eq!(text(event, "facts"), facts.join("\n"));
    let mut places = text(event, "places").lines();
    let primary = format!("{}: {}", finding.primary, finding.label);
    assert_eq!(places.next(), Some(&*primary));
    for related in &finding.related {
        let line = format!("{}: {}", related.site, related.label);
        assert_eq!(places.next(), Some(&*line));
    }
    assert_eq!(places.next(), None);
}

/// A place and the function around it, under names that begin with `prefix`.
#[track_caller]
fn check_place(event: &Line, prefix: &str, (marker, word): (&str, &str), function: &str) {
    let place = marked(marker, word);
    let name = |name: &str| format!("{prefix}code.{name}");
    assert_eq!(text(event, &name("file.path")), place.file);
    assert_eq!(event[&name("line.number")], place.line);
    assert_eq!(text(event, &name("function.name")), full_name(function));
}

#[track]
async fn holds(pool: &SqlitePool, wait: impl Future<Output = ()>) {
    let _held = pool.acquire().await.unwrap(); // @holds
    wait.await;
}

#[track]
async fn waits(pool: &SqlitePool) {
    pool.acquire().await.unwrap_err(); // @waits
}

#[test]
fn a_finding_has_its_parts_as_fields() {
    let test = "events::parts::a_finding_has_its_parts_as_fields";
    in_each_form(test, |shown, log, runtime| {
        runtime.block_on(async {
            let options = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(Duration::from_millis(200));
            let pool = connect(options, "sqlite::memory:").await;
            let (let_go, until) = tokio::sync::oneshot::channel();
            let holder = tokio::spawn({
                let pool = pool.clone();
                async move { holds(&pool, async { until.await.unwrap() }).await }
            });
            crate::common::until("it holds", || {
                leash::snapshot()
                    .handles
                    .iter()
                    .any(|it| it.scope.is_some())
            })
            .await;
            waits(&pool).await;
            let_go.send(()).unwrap();
            holder.await.unwrap();
        });
        let (event, finding) = only(log, Lint::PoolTimeout);
        check(shown, &event, &finding);
        assert_eq!(event["level"], "WARN");
        check_place(&event, "", ("waits", "acquire"), "events::parts::waits");
        if shown == Shown::Drawing {
            return;
        }
        assert_eq!(text(&event, "verdict"), finding.verdict.unwrap().name());
        let (holds, waits) = ("events::parts::holds", "events::parts::waits");
        check_place(&event, "holder.", ("holds", "acquire"), holds);
        check_place(&event, "waiter.", ("waits", "acquire"), waits);
        assert!(event["waited_ms"].as_f64().unwrap() >= 200.0, "{event:#?}");
        assert_eq!(
            (&event["waiting"], &event["max_connections"]),
            (&1.into(), &1.into())
        );
    });
}

/// A panic has the drawing, and is not in the log.
#[test]
fn the_event_before_a_panic_has_them_too() {
    static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());
    #[track]
    async fn loses(pool: &SqlitePool) {
        let tx = pool.begin().await.unwrap(); // @loses
        KEPT.lock().unwrap().push(tx);
    }
    let test = "events::parts::the_event_before_a_panic_has_them_too";
    in_each_form(test, |shown, log, runtime| {
        let (outcome, _) = runtime.block_on(async {
            let pool = pool().await;
            caught(loses(&pool)).await
        });
        assert_eq!(outcome.is_err(), cfg!(debug_assertions));
        let (event, finding) = only(log, Lint::OutlivedScope);
        check(shown, &event, &finding);
        assert_eq!(event["level"], "ERROR");
        if shown != Shown::Drawing {
            let function = "events::parts::the_event_before_a_panic_has_them_too::loses";
            check_place(&event, "holder.", ("loses", "begin"), function);
            assert!(event["held_ms"].is_number(), "{event:#?}");
        }
    });
}

/// What a finding counts is a number, beside its limit.
#[test]
fn counts_and_limits_are_numbers() {
    #[track]
    async fn in_a_loop(pool: &SqlitePool) {
        for id in 0..12 {
            let query = sqlx::query("SELECT * FROM exam WHERE id = ?").bind(id);
            query.fetch_optional(pool).await.unwrap();
        }
    }
    #[track(warn(query_budget), max_queries = 2)]
    async fn beyond(pool: &SqlitePool) {
        for _ in 0..3 {
            sqlx::query("SELECT 1").execute(pool).await.unwrap();
        }
    }
    let test = "events::parts::counts_and_limits_are_numbers";
    let variables = [("SQLX_LEASH", "slow_query=1ns")];
    let _ = in_child(test, &variables, |runtime| {
        leash::on_finding(|finding| FOUND.lock().unwrap().push(finding.clone()));
        let log = Log::start();
        runtime.block_on(async {
            let pool = pool().await;
            in_a_loop(&pool).await;
            beyond(&pool).await;
        });
        let (event, _) = only(&log, Lint::NPlusOne);
        assert_eq!((&event["count"], &event["limit"]), (&12.into(), &10.into()));
        assert!(event["elapsed_ms"].as_f64().unwrap() > 0.0, "{event:#?}");
        let (event, _) = only(&log, Lint::QueryBudget);
        assert_eq!((&event["count"], &event["limit"]), (&3.into(), &2.into()));
        let mut events = log.of(FINDING);
        events.retain(|event| event["lint"] == "slow_query");
        assert!(events[0]["elapsed_ms"].is_number(), "{events:#?}");
        assert_eq!(events[0]["limit_ms"], 0.0);
    });
}
