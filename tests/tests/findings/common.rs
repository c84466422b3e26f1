//! What the modules share: pools, places in the source, and what is heard of them.

use std::fmt::Debug;
use std::ops::Deref;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Pool;
use sqlx::leash::{self, Backend, Certainty, Finding, Lint, PoolExt, PoolStats, Related};
use sqlx::sqlite::SqlitePoolOptions;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

pub(crate) use crate::settled::settled;
pub(crate) use crate::source::{Place, declared, marked};

/// No test waits longer than this for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A pool of its own for each test, known by its name.
pub(crate) struct TestPool<DB: Backend = sqlx::Sqlite> {
    pool: Pool<DB>,
    name: String,
}

impl<DB: Backend> Deref for TestPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

/// So many connections to databases in memory, which nobody waits for in vain within a test.
pub(crate) async fn pool_of(max_connections: u32) -> TestPool {
    connect(options(max_connections)).await
}

pub(crate) fn options(max_connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
}

pub(crate) async fn connect(options: SqlitePoolOptions) -> TestPool {
    TestPool::of(options.connect("sqlite::memory:").await.unwrap())
}

/// What was found in this process, with when, in the order of telling.
static HEARD: Mutex<Vec<(Instant, Finding)>> = Mutex::new(Vec::new());

fn heard() -> MutexGuard<'static, Vec<(Instant, Finding)>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<DB: Backend> TestPool<DB> {
    pub(crate) fn of(pool: Pool<DB>) -> Self {
        static LISTENS: Once = Once::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        LISTENS.call_once(|| {
            leash::on_finding(|finding| heard().push((Instant::now(), finding.clone())));
        });
        let name = format!("test pool {}", NUMBER.fetch_add(1, Relaxed));
        Self {
            pool: pool.named(&name),
            name,
        }
    }

    /// The same under a name that a snapshot can show.
    pub(crate) fn called(self, name: &str) -> Self {
        Self {
            pool: self.pool.named(name),
            name: name.to_owned(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Every finding about it so far.
    pub(crate) fn heard(&self) -> Vec<Finding> {
        let heard = heard();
        let of_pool = heard
            .iter()
            .filter(|(_, finding)| finding.pool.as_deref() == Some(&self.name));
        of_pool.map(|(_, finding)| finding.clone()).collect()
    }

    /// Those of one lint.
    pub(crate) fn heard_of(&self, lint: Lint) -> Vec<Finding> {
        let mut found = self.heard();
        found.retain(|finding| finding.lint == lint);
        found
    }

    /// The first finding of the lint about it, as soon as there is one, with when.
    #[track_caller]
    pub(crate) fn hears(&self, lint: Lint) -> impl Future<Output = (Instant, Finding)> {
        let caller = Location::caller();
        eventually(
            move || {
                let heard = heard();
                heard
                    .iter()
                    .find(|(_, finding)| {
                        finding.lint == lint && finding.pool.as_deref() == Some(&self.name)
                    })
                    .cloned()
            },
            move || format!("{lint} is not heard of, {caller}"),
        )
    }

    pub(crate) fn stats(&self) -> PoolStats {
        leash::snapshot()
            .pools
            .into_iter()
            .find(|pool| pool.name == self.name)
            .expect("a pool that lives is listed")
    }

    /// Waits until so many permits are held.
    pub(crate) async fn has_handles(&self, handles: u64) {
        eventually(
            || (self.stats().handles >= handles).then_some(()),
            || format!("{handles} are not held"),
        )
        .await;
    }

    /// Waits until so many wait for a permit.
    pub(crate) async fn has_waiting(&self, waiters: u64) {
        eventually(
            || (self.stats().waiting >= waiters).then_some(()),
            || format!("{waiters} do not wait"),
        )
        .await;
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(
    mut ask: impl FnMut() -> Option<T>,
    complaint: impl Fn() -> String,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{}", complaint());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The one finding of the lint among these.
#[track_caller]
pub(crate) fn only(lint: Lint, found: &[Finding]) -> &Finding {
    let mut of_lint = found.iter().filter(|finding| finding.lint == lint);
    let first = of_lint
        .next()
        .unwrap_or_else(|| panic!("{lint} is not among {found:#?}"));
    if let Some(second) = of_lint.next() {
        panic!("{lint} twice:\n{}\n{}", first.render(), second.render());
    }
    first
}

/// None of the lint is among these.
#[track_caller]
pub(crate) fn none(lint: Lint, found: &[Finding]) {
    for finding in found {
        assert!(finding.lint != lint, "a false alarm:\n{}", finding.render());
    }
}

/// Nothing at all was found.
#[track_caller]
pub(crate) fn nothing(found: &[Finding]) {
    if let Some(finding) = found.first() {
        panic!("a false alarm:\n{}", finding.render());
    }
}

/// The place in the function of that name, in this binary, that has to do with the finding.
#[track_caller]
pub(crate) fn related<'f>(finding: &'f Finding, place: &Place) -> &'f Related {
    finding
        .related
        .iter()
        .find(|related| Place::from(&related.site) == *place)
        .unwrap_or_else(|| panic!("{place:?} is not in\n{}", finding.render()))
}

/// What the finding says under this name.
#[track_caller]
pub(crate) fn said<'f>(finding: &'f Finding, fact: &str) -> &'f str {
    let said = finding.facts.iter().find(|said| said.name == fact);
    &said
        .unwrap_or_else(|| panic!("nothing about `{fact}` in\n{}", finding.render()))
        .value
}

#[track_caller]
pub(crate) fn assert_primary(finding: &Finding, place: &Place, function: &str) {
    assert_eq!(
        Place::from(&finding.primary),
        *place,
        "{}",
        finding.render()
    );
    let function = format!("findings::{function}");
    assert_eq!(
        finding.function.as_deref(),
        Some(&*function),
        "{}",
        finding.render()
    );
}

#[track_caller]
pub(crate) fn assert_certainty(finding: &Finding, certainty: Certainty) {
    assert_eq!(finding.certainty, certainty, "{}", finding.render());
}

/// Some help of the finding speaks of this code.
#[track_caller]
pub(crate) fn assert_helps(finding: &Finding, code: &str) {
    let helps = finding.help.iter().any(|help| help.contains(code));
    assert!(helps, "no help says `{code}`:\n{}", finding.render());
}

/// Where panics were, with what they said.
static PANICS: Mutex<Vec<(Place, String)>> = Mutex::new(Vec::new());

/// Has every panic of the process noted from now on.
pub(crate) fn note_panics() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|location| Place {
                file: location.file().to_owned(),
                line: location.line(),
                column: location.column(),
            });
            let message = panic.payload_as_str().unwrap_or_default().to_owned();
            if let Some(place) = place {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.push((place, message));
            }
            before(panic);
        }));
    });
}

/// The panics that spoke of this pool.
pub(crate) fn panics_about(pool: &str) -> Vec<(Place, String)> {
    let names = [format!("pool {pool} "), format!("pool {pool}, ")];
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    panics
        .iter()
        .filter(|(_, message)| names.iter().any(|name| message.contains(name)))
        .cloned()
        .collect()
}

/// A layer that keeps the findings' and pools' events, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 += &format!(" {value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        if matches!(target, "sqlx_leash::finding" | "sqlx_leash::pool") {
            let mut text = target.to_owned();
            event.record(&mut Message(&mut text));
            self.0.lock().unwrap().push(text);
        }
    }
}

/// Keeps the events of every thread from now on: for a process of its own.
pub(crate) fn told_events() -> Arc<Mutex<Vec<String>>> {
    let told = Told::default();
    let subscriber = tracing_subscriber::registry().with(told.clone());
    tracing::subscriber::set_global_default(subscriber).expect("it is the first");
    told.0
}
