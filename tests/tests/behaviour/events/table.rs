//! The tables of the guide list every event, and every field of each. Neither has more than the other.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::pending;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use leash_tests::in_child;
use sqlx::leash::tower::RequestLayer;
use sqlx::leash::{self, board};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{Executor, track};
use tokio::time::Duration;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::common::{Tx, connect, poll_until, pool, until};

const GUIDE: &str = include_str!("../../../../runtime/src/guide/events.md");

/// Two findings of one cause are told a minute apart, so that no test waits for this one.
const NOT_PROVOKED: [&str; 1] = ["suppressed"];

/// An event by what tells it apart: target, level and the names of its fields.
type Kind = (String, String, BTreeSet<String>);

/// The kinds of events, and the types of the fields that had a value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    kinds: BTreeSet<Kind>,
    types: BTreeMap<String, BTreeSet<String>>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, _: &dyn Debug) {
        self.note(field, "text");
    }

    fn record_str(&mut self, field: &Field, _: &str) {
        self.note(field, "text");
    }

    fn record_u64(&mut self, field: &Field, _: u64) {
        self.note(field, "number");
    }

    fn record_i64(&mut self, field: &Field, _: i64) {
        self.note(field, "number");
    }

    fn record_f64(&mut self, field: &Field, _: f64) {
        self.note(field, "number");
    }

    fn record_bool(&mut self, field: &Field, _: bool) {
        self.note(field, "boolean");
    }
}

impl Seen {
    fn note(&mut self, field: &Field, of_type: &str) {
        if field.name() != "message" {
            let types = self.types.entry(field.name().to_owned());
            types.or_default().insert(of_type.to_owned());
        }
    }

    /// One line for each entry, to be read by [`read`](Self::read).
    fn print(&self) {
        for (target, level, fields) in &self.kinds {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            println!("\nkind {target} {level} {}", fields.join(" "));
        }
        for (field, types) in &self.types {
            for of_type in types {
                println!("\ntype {field} {of_type}");
            }
        }
    }

    fn read(&mut self, printed: &str) {
        for line in printed.lines() {
            let mut words = line
                .split(' ')
                .map(str::to_owned)
                .filter(|word| !word.is_empty());
            match words.next().as_deref() {
                Some("kind") => {
                    let (target, level) = (words.next().unwrap(), words.next().unwrap());
                    self.kinds.insert((target, level, words.collect()));
                }
                Some("type") => {
                    let field = words.next().unwrap();
                    self.types.entry(field).or_default().extend(words);
                }
                _ => {}
            }
        }
    }
}

/// A layer that notes the kinds of this crate's events.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Seen>>);

impl Noted {
    fn start() -> Self {
        let noted = Self::default();
        let subscriber = tracing_subscriber::registry().with(noted.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        noted
    }

    fn has(&self, target: &str, level: &str, field: &str) -> bool {
        let kinds = &self.0.lock().unwrap().kinds;
        kinds
            .iter()
            .any(|(of, at, fields)| of == target && at == level && fields.contains(field))
    }
}

impl<S: Subscriber> Layer<S> for Noted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("sqlx_leash") {
            return;
        }
        let mut seen = self.0.lock().unwrap();
        let fields = metadata
            .fields()
            .iter()
            .map(|field| field.name().to_owned());
        let fields = fields.filter(|name| name != "message").collect();
        let kind = (
            metadata.target().to_owned(),
            metadata.level().to_string(),
            fields,
        );
        seen.kinds.insert(kind);
        event.record(&mut *seen);
    }
}

/// The cells of the rows of the table with this heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = GUIDE.split_once(heading).expect("the guide has the table");
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The words in backticks.
fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// What the two tables of the guide say.
fn documented() -> Seen {
    let mut documented = Seen::default();
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows("\n| field | type | what | events |\n") {
        let [field, of_type, _, events] = row[..] else {
            panic!("four cells: {row:?}");
        };
        let field = names(field).next().unwrap();
        for event in names(events) {
            fields.entry(event).or_default().insert(field.clone());
        }
        let types = BTreeSet::from([of_type.to_owned()]);
        assert!(
            documented.types.insert(field, types).is_none(),
            "twice: {row:?}"
        );
    }
    for row in rows("\n| event | target | level | what |\n") {
        let [event, target, levels, _] = row[..] else {
            panic!("four cells: {row:?}");
        };
        let event = names(event).next().unwrap();
        let fields = fields.remove(&event).unwrap_or_default();
        for level in levels.split(", ") {
            let target = names(target).next().unwrap();
            documented
                .kinds
                .insert((target, level.to_owned(), fields.clone()));
        }
    }
    assert!(
        fields.is_empty(),
        "fields of events that are in no table: {fields:#?}"
    );
    documented
}

#[track]
async fn reads_and_writes(pool: &SqlitePool) {
    for id in 0..12 {
        let query = sqlx::query("SELECT * FROM exam WHERE id = ?").bind(id);
        query.fetch_optional(pool).await.unwrap();
    }
    let insert = sqlx::query("INSERT INTO exam (name) VALUES ('one')");
    insert.execute(pool).await.unwrap();
    pool.execute("SELECT no_such_column").await.unwrap_err();
}

static KEPT: Mutex<Vec<Tx>> = Mutex::new(Vec::new());

#[track(warn(outlived_scope))]
async fn loses(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
}

/// At deny, and cancelled: an event at ERROR, and no panic.
#[track(deny(outlived_scope))]
async fn is_cancelled(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap();
    KEPT.lock().unwrap().push(tx);
    pending::<()>().await;
}

#[track]
async fn holds(pool: &SqlitePool, wait: impl Future<Output = ()>) {
    let _held = pool.acquire().await.unwrap();
    wait.await;
}

#[track]
async fn waits(pool: &SqlitePool) {
    pool.acquire().await.unwrap_err();
}

/// A pool that has the name of a database, and no server.
async fn a_pool_without_a_server() {
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_millis(1));
    let pool = options
        .connect_lazy("postgres://127.0.0.1:1/clinic")
        .unwrap();
    pool.acquire().await.unwrap_err();
}

/// A request within its budget, and one over it. Both fail.
async fn requests() {
    let pool = pool().await;
    for statements in [100, 1] {
        let layer = RequestLayer::new(|_| Some("/exams/{id}"));
        let layer = layer.budget(statements, Duration::from_mins(1));
        let service = ServiceBuilder::new().layer(layer);
        let service = service.service(service_fn(async |_: Request<()>| {
            reads_and_writes(&pool).await;
            let answer = Response::builder().status(500);
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
        }));
        let Ok(response) = service.oneshot(Request::new(())).await;
        response.into_body().collect().await.unwrap();
    }
}

/// Statements, findings, and the report of two pools and one that is idle.
async fn findings_and_a_report() {
    let (one, other, _idle) = (pool().await, pool().await, pool().await);
    for pool in [&one, &other] {
        reads_and_writes(pool).await;
    }
    loses(&one).await;
    poll_until(is_cancelled(&one), || KEPT.lock().unwrap().len() == 2).await;
    KEPT.lock().unwrap().clear();
    leash::report();
    reads_and_writes(&one).await;
    leash::report();
}

/// A handle that is held idle until an acquire has timed out, and is reported; then the pool recovers.
async fn a_timeout_and_its_end(noted: &Noted) {
    let options = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(200));
    let pool = connect(options, "sqlite::memory:").await;
    let (let_go, released) = tokio::sync::oneshot::channel();
    let holder = tokio::spawn({
        let pool = pool.clone();
        async move { holds(&pool, async { released.await.unwrap() }).await }
    });
    pool.has_handles(1).await;
    waits(&pool).await;
    let is_idle = || {
        leash::snapshot()
            .lints
            .iter()
            .any(|it| it.lint.name() == "held_idle" && it.found > 0)
    };
    until("the handle is reported", is_idle).await;
    let_go.send(()).unwrap();
    holder.await.unwrap();
    drop(pool.acquire().await.unwrap());
    let recovered = || {
        noted.has("sqlx_leash::pool", "INFO", "db.client.connection.pool.name") && {
            let kinds = &noted.0.lock().unwrap().kinds;
            kinds
                .iter()
                .any(|(target, _, fields)| target == "sqlx_leash::pool" && fields.len() == 1)
        }
    };
    until("the pool has recovered", recovered).await;
    until("the handle is released", || {
        noted.has("sqlx_leash::finding", "INFO", "busy_ms")
    })
    .await;
}

/// A hook that never ends keeps a connection on its way back.
async fn a_return_that_is_cut(noted: &Noted) {
    let options = SqlitePoolOptions::new().after_release(|_, _| Box::pin(pending()));
    let pool = connect(options, "sqlite::memory:").await;
    drop(pool.acquire().await.unwrap());
    until("the return is cut", || {
        noted.has("sqlx_leash::pool", "WARN", "limit_ms")
    })
    .await;
}

/// Provokes every kind of event.
fn provoked() -> Seen {
    let test = "events::table::the_guide_lists_every_field_of_every_event";
    let setting = "nonsense=1,held_idle=300ms,slow_query=1ns,return_timeout=100ms";
    // No thread can be started with a stack of that size.
    let too_large = (1_u64 << 60).to_string();
    let children: [&[(&str, &str)]; 2] = [
        &[("SQLX_LEASH", setting)],
        &[("RUST_MIN_STACK", &too_large)],
    ];
    let mut seen = Seen::default();
    for variables in children {
        let printed = in_child(test, variables, |runtime| {
            let noted = Noted::start();
            // The child begins with the first of the two, and has the variables of its own.
            if std::env::var_os("RUST_MIN_STACK").is_some() {
                leash::spawn_reporter();
            } else {
                leash::on_finding(|_| panic!("a callback that panics"));
                runtime.block_on(async {
                    findings_and_a_report().await;
                    a_pool_without_a_server().await;
                    requests().await;
                    a_timeout_and_its_end(&noted).await;
                    a_return_that_is_cut(&noted).await;
                });
                board::listen("127.0.0.1:0").unwrap();
                let exposed = board::Board::new().expose_without_auth("a test");
                exposed.listen("127.0.0.1:0").unwrap();
            }
            noted.0.lock().unwrap().print();
        });
        seen.read(&printed.out);
    }
    seen
}

#[test]
fn the_guide_lists_every_field_of_every_event() {
    let mut provoked = provoked();
    let documented = documented();
    let undocumented: Vec<_> = provoked.kinds.difference(&documented.kinds).collect();
    let unseen: Vec<_> = documented.kinds.difference(&provoked.kinds).collect();
    assert!(
        undocumented.is_empty() && unseen.is_empty(),
        "not in the guide's tables: {undocumented:#?}\nin the tables, and not seen: {unseen:#?}"
    );
    for name in NOT_PROVOKED {
        let types = documented.types[name].clone();
        provoked.types.insert(name.to_owned(), types);
    }
    for (field, types) in &documented.types {
        assert_eq!(
            provoked.types.get(field),
            Some(types),
            "the type of {field}"
        );
    }
}

/// What readers of logs trip over: a name that the formatters write themselves, and a name that is a value and an object.
#[test]
fn no_name_is_in_the_way_of_a_reader() {
    let names: Vec<_> = documented().types.into_keys().collect();
    let of_formatters = [
        "timestamp",
        "level",
        "target",
        "message",
        "fields",
        "span",
        "spans",
        "filename",
        "line_number",
        "threadName",
        "threadId",
    ];
    for name in &names {
        assert!(!of_formatters.contains(&name.as_str()), "{name}");
        let inside = format!("{name}.");
        assert!(
            !names.iter().any(|other| other.starts_with(&inside)),
            "{name} is a value and an object"
        );
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
        assert!(name.chars().all(is_plain), "{name}");
    }
}
