//! What the modules share: pools, places in the source, and what is heard of them.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use sqlx::leash::{self, Backend, Certainty, Finding, Lint, Related};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Pool, SqliteConnection, track};

pub(crate) use crate::pool::TestPool;
pub(crate) use crate::settled::settled;
pub(crate) use crate::source::{Place, declared, marked, path_of};
pub(crate) use crate::until::until;

/// No test waits longer than this for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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

/// A callee that takes a plain connection: what is lent to it stays so until it is used directly again.
#[track]
pub(crate) async fn reads(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(conn).await?;
    Ok(())
}

/// What was found in this process, with when, in the order of telling.
static HEARD: Mutex<Vec<(Instant, Finding)>> = Mutex::new(Vec::new());

fn all_heard() -> MutexGuard<'static, Vec<(Instant, Finding)>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<DB: Backend> TestPool<DB> {
    /// Whatever is found about it is heard from now on.
    pub(crate) fn of(pool: Pool<DB>) -> Self {
        static LISTENS: Once = Once::new();
        LISTENS.call_once(|| {
            leash::on_finding(|finding| all_heard().push((Instant::now(), finding.clone())));
        });
        Self::new(pool, ())
    }

    /// The same under a name that a snapshot can show.
    pub(crate) fn called(self, name: &str) -> Self {
        Self::named(name, Pool::clone(&self), self)
    }

    /// Every finding about it so far.
    pub(crate) fn heard(&self) -> Vec<Finding> {
        heard(self.name())
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
        let first = move || {
            let heard = all_heard();
            let mut heard = heard.iter();
            heard
                .find(|(_, finding)| {
                    finding.lint == lint && finding.pool.as_deref() == Some(self.name())
                })
                .cloned()
        };
        let is_heard = until(lint, move || first().is_some());
        async move {
            is_heard.await;
            first().expect("it is heard")
        }
    }

    /// Waits until so many permits are held.
    pub(crate) async fn has_handles(&self, handles: u64) {
        until("that many are held", || self.stats().handles >= handles).await;
    }

    /// Waits until so many wait for a permit.
    pub(crate) async fn has_waiting(&self, waiters: u64) {
        until("that many wait", || self.stats().waiting >= waiters).await;
    }
}

/// Every finding so far about the pool of that name.
pub(crate) fn heard(pool: &str) -> Vec<Finding> {
    let heard = all_heard();
    let of_pool = heard
        .iter()
        .filter(|(_, finding)| finding.pool.as_deref() == Some(pool));
    of_pool.map(|(_, finding)| finding.clone()).collect()
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
