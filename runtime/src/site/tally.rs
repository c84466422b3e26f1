//! The counters of statements: one tally for each call site and text.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, RwLock};

use dashmap::DashMap;
use once_cell::sync::{Lazy, OnceCell};
use rustc_hash::FxBuildHasher;

use super::pools::Pools;
use crate::measure::distinct::Distinct;
use crate::measure::histogram::Histogram;
use crate::snapshot::SiteStats;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::{
    Effect, Ends, OperationName, Schema, Sole, Undo, effects, may_have_effects, sole, summarise,
};
use crate::sync;

/// A call site or a function has a tally for each of this many texts. Further texts share some.
const TEXTS_PER_SITE: usize = 32;
/// Untracked code as a whole has a tally for each of this many texts. Further texts share some.
const TEXTS_WITHOUT_SITE: usize = 1000;
/// Further texts share one tally for each of about this many effects: one for nearly all texts, which have none.
const SHARED_PER_SITE: usize = 32;
/// The number of bytes kept of a text. Longer texts are compared by length and hash.
const MAX_TEXT: usize = 4096;

/// Every tally of the process, in the order of their first use.
static ALL: Mutex<Vec<&Tally>> = Mutex::new(Vec::new());

/// The tallies of statements whose function is unknown, by the hash of the text.
static WITHOUT_SITE: Lazy<DashMap<u64, &Tally, FxBuildHasher>> = Lazy::new(DashMap::default);
static OTHERS_WITHOUT_SITE: Others = Others::new();

/// The counters of one call site and one text.
#[derive(Debug)]
pub(crate) struct Tally {
    place: Option<Place>,
    text: Text,
    pub(crate) summary: String,
    pub(crate) operation: OperationName,
    /// The hash of the place and the summary; without a place, of the text.
    line: u64,
    /// What spans name; read when the first span is made.
    sole: OnceCell<Sole>,
    /// The tables that the text names, as hashes.
    tables: Box<[u64]>,
    /// Whether the text may write. Drivers report "affected" rows for reads as well.
    writes: bool,
    schema: Schema,
    sets: bool,
    writes_for_sure: bool,
    /// What the text does to the session, in order. `None` for nearly all texts.
    effects: Option<Box<[Effect]>>,
    /// The number of texts that share this tally, if it stands for the texts beyond a limit.
    others: Option<Distinct>,
    /// Of a tally that texts share: one of the texts of its place, if all that were seen are of one kind.
    like: Option<&'static Tally>,
    calls: AtomicU64,
    ok: AtomicU64,
    errors: AtomicU64,
    cancelled: AtomicU64,
    rows_returned: AtomicU64,
    rows_affected: AtomicU64,
    saved: AtomicU64,
    pools: Pools,
    time: Histogram,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Cancelled,
}

impl Tally {
    fn new(place: Option<Place>, sql: &str) -> &'static Self {
        let summary = summarise(sql);
        Self::register(Self {
            place,
            text: Text::new(sql),
            line: match place {
                Some(Place {
                    file, line, column, ..
                }) => FxBuildHasher.hash_one((file, line, column, &summary.text)),
                None => hash(sql),
            },
            operation: OperationName::of(&summary.text),
            sole: OnceCell::new(),
            tables: summary.tables,
            summary: summary.text,
            writes: summary.writes,
            schema: summary.schema,
            sets: summary.sets,
            writes_for_sure: summary.writes_for_sure,
            effects: effects(sql),
            others: None,
            like: None,
            calls: AtomicU64::new(0),
            ok: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            rows_returned: AtomicU64::new(0),
            rows_affected: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            pools: Pools::new(),
            time: Histogram::new(),
        })
    }

    /// The tally of the texts beyond a limit that have these effects. `like` is a text of their place, if all that were seen
    /// are of one kind.
    fn for_others(
        place: Option<Place>,
        effects: Option<Box<[Effect]>>,
        like: Option<&'static Self>,
    ) -> &'static Self {
        let is_control = effects
            .iter()
            .flatten()
            .any(|effect| matches!(effect, Effect::Begins { .. } | Effect::Ends { .. }));
        let mut tally = Self {
            place,
            text: Text::new(""),
            summary: "(other statements)".to_owned(),
            operation: like.map_or(OperationName::UNKNOWN, |like| like.operation),
            line: like.map_or(0, |like| like.line),
            sole: OnceCell::new(),
            tables: Box::default(),
            // Otherwise unknown, so the number of affected rows that the driver reports is taken as it is.
            writes: !is_control,
            schema: Schema::Stays,
            sets: false,
            writes_for_sure: false,
            effects,
            others: Some(Distinct::new()),
            like,
            calls: AtomicU64::new(0),
            ok: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            rows_returned: AtomicU64::new(0),
            rows_affected: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            pools: Pools::new(),
            time: Histogram::new(),
        };
        tally.text.kept = "(further texts of this place)".into();
        Self::register(tally)
    }

    fn register(tally: Self) -> &'static Self {
        // Tallies are never freed and their number is bounded, so they are leaked: a static reference needs no count.
        let tally: &'static Self = Box::leak(Box::new(tally));
        sync::lock(&ALL).push(tally);
        tally
    }

    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    pub(crate) fn sql(&self) -> &str {
        &self.text.kept
    }

    /// The operation and the table of the text, where it has one of each for certain.
    pub(crate) fn sole(&self) -> &Sole {
        self.sole.get_or_init(|| {
            // Of a text that is not kept whole, the rest may name others.
            let is_known = self.others.is_none() && self.text.hash.is_none();
            if is_known {
                sole(self.sql())
            } else {
                Sole::default()
            }
        })
    }

    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    /// A number that texts of one place with one summary have in common, and few others.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// A tally with a text. Of one that texts share, that of a text like those, if there is one.
    pub(crate) fn of_a_text(&'static self) -> &'static Self {
        self.like.unwrap_or(self)
    }

    /// A number for a text that is counted here, by which it differs from the other texts of its line.
    pub(crate) fn identity_of(&self, sql: &str) -> u64 {
        match self.others {
            Some(_) => hash(sql),
            None => std::ptr::from_ref(self).addr() as u64,
        }
    }

    /// Whether the text names a table.
    pub(crate) fn names_a_table(&self) -> bool {
        !self.tables.is_empty()
    }

    /// Whether the text may read what the text of `writer` writes: they name the same table, or one names none.
    pub(crate) fn may_read_what_is_written_by(&self, writer: &Self) -> bool {
        let (read, written) = (&self.tables, &writer.tables);
        read.is_empty() || written.is_empty() || read.iter().any(|table| written.contains(table))
    }

    /// Whether the text may set something in the session, on which other answers may depend.
    pub(crate) fn sets(&self) -> bool {
        self.sets
    }

    /// Whether all rows that the driver reports for the text are rows that it wrote.
    pub(crate) fn writes_for_sure(&self) -> bool {
        self.writes_for_sure
    }

    /// Whether a server that commits on DDL commits the open transaction before it runs the statement.
    pub(crate) fn commits_before(&self) -> bool {
        self.schema == Schema::Changes
    }

    /// Whether the text creates or drops a temporary table, which is in a database of its own.
    pub(crate) fn is_of_temporary_tables(&self) -> bool {
        self.schema == Schema::ChangesForAWhile
    }

    /// Whether the text changes the schema. PostgreSQL and SQLite can roll that back, MySQL cannot.
    pub(crate) fn changes_schema(&self) -> bool {
        self.schema != Schema::Stays
    }

    /// What the text does to the session, in order. Empty for nearly all texts.
    pub(crate) fn effects(&self) -> &[Effect] {
        self.effects.as_deref().unwrap_or_default()
    }

    /// The last of the effects that ends a transaction, or rolls back to a savepoint.
    fn last_end(&self) -> Option<&Effect> {
        self.effects()
            .iter()
            .rev()
            .find(|effect| matches!(effect, Effect::Ends { .. } | Effect::RollsBackTo(_)))
    }

    /// Whether the text begins a transaction, of SQLite one without the lock for writing.
    pub(crate) fn begins(&self) -> bool {
        self.begins_with(false)
    }

    /// Whether the text begins a transaction of SQLite that has the lock for writing at once.
    pub(crate) fn begins_writing(&self) -> bool {
        self.begins_with(true)
    }

    fn begins_with(&self, the_lock: bool) -> bool {
        let mut effects = self.effects().iter();
        effects.any(|effect| matches!(effect, Effect::Begins { writes_at_once } if *writes_at_once == the_lock))
    }

    /// Whether the text commits a transaction.
    pub(crate) fn commits(&self) -> bool {
        use Ends::Commit;
        matches!(self.last_end(), Some(Effect::Ends { end: Commit, .. }))
    }

    /// Whether the text ends a transaction. The `Transaction` value does not notice that.
    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(self.last_end(), Some(Effect::Ends { .. }))
    }

    /// Whether the tally stands for many texts.
    pub(crate) fn is_shared(&self) -> bool {
        self.others.is_some()
    }

    /// Whether the text rolls back a transaction, or back to a savepoint. One of those that share this tally may.
    pub(crate) fn may_roll_back(&self) -> bool {
        self.is_shared() || self.last_end().is_some() && !self.commits()
    }

    /// Counts a statement as begun, and returns the number of statements begun so far.
    pub(crate) fn begin(&self) -> u64 {
        // Relaxed here and below: the counters are independent and publish no other memory.
        self.calls.fetch_add(1, Relaxed) + 1
    }

    /// Counts a statement that was not sent, because a cache had its result.
    #[cfg(feature = "cache")]
    pub(crate) fn save(&self) {
        self.saved.fetch_add(1, Relaxed);
    }

    /// Notes to which pool a statement went.
    #[inline]
    pub(crate) fn sent_to(&self, pool: u64) {
        self.pools.note(pool);
    }

    /// Counts a statement as ended.
    pub(crate) fn finish(
        &self,
        outcome: Outcome,
        time: std::time::Duration,
        rows: u64,
        affected: u64,
    ) {
        let counter = match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Error => &self.errors,
            Outcome::Cancelled => &self.cancelled,
        };
        self.time.record(time);
        if rows > 0 {
            self.rows_returned.fetch_add(rows, Relaxed);
        }
        if affected > 0 {
            self.rows_affected.fetch_add(affected, Relaxed);
        }
        // Last, so that a reader that sees the statement as ended also sees the rest. Paired with Acquire in `read`.
        counter.fetch_add(1, std::sync::atomic::Ordering::Release);
    }

    fn read(&self) -> SiteStats {
        use std::sync::atomic::Ordering::Acquire;
        // The ends are read before the begins, so that a snapshot never shows more ends than begins.
        let (ok, errors, cancelled) = (
            self.ok.load(Acquire),
            self.errors.load(Acquire),
            self.cancelled.load(Acquire),
        );
        let place = self.place;
        SiteStats {
            file: place.map(|place| place.file.to_owned()),
            line: place.map_or(0, |place| place.line),
            column: place.map_or(0, |place| place.column),
            function: place
                .and_then(|place| place.function)
                .map(|function| function.name().to_owned()),
            sql: self.text.kept.to_string(),
            summary: self.summary.clone(),
            texts: self.others.as_ref().map_or(1, Distinct::estimate),
            calls: self.calls.load(Relaxed),
            ok,
            errors,
            cancelled,
            rows_returned: self.rows_returned.load(Relaxed),
            rows_affected: self.rows_affected.load(Relaxed),
            saved: self.saved.load(Relaxed),
            pool: None,
            pool_id: self.pools.only(),
            several_pools: self.pools.are_several(),
            time: self.time.read(),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Histogram>()
            + self.time.bytes()
            + self.text.kept.len()
            + self.summary.len()
            + self.effects().iter().map(Effect::bytes).sum::<usize>()
    }
}

/// The text of a statement, up to [`MAX_TEXT`] bytes.
#[derive(Debug)]
struct Text {
    kept: Box<str>,
    full_len: usize,
    /// The hash of the whole text, if only a part is kept.
    hash: Option<u64>,
}

impl Text {
    fn new(sql: &str) -> Self {
        if sql.len() <= MAX_TEXT {
            return Self {
                kept: sql.into(),
                full_len: sql.len(),
                hash: None,
            };
        }
        Self {
            kept: kept(sql).into(),
            full_len: sql.len(),
            hash: Some(hash(sql)),
        }
    }

    fn is(&self, sql: &str) -> bool {
        self.full_len == sql.len()
            && match self.hash {
                None => *self.kept == *sql,
                Some(whole) => whole == hash(sql),
            }
    }
}

/// What is kept of a text: at most its first [`MAX_TEXT`] bytes.
pub(crate) fn kept(sql: &str) -> Cow<'_, str> {
    if sql.len() <= MAX_TEXT {
        return sql.into();
    }
    let end = sql.floor_char_boundary(MAX_TEXT - "…".len());
    format!("{}…", &sql[..end]).into()
}

pub(crate) fn hash(sql: &str) -> u64 {
    FxBuildHasher.hash_one(sql)
}

/// The tallies of one place, one for each text. Most places have one text.
#[derive(Debug)]
pub(crate) struct Tallies {
    first: OnceCell<&'static Tally>,
    more: RwLock<Vec<&'static Tally>>,
    others: Others,
}

impl Default for Tallies {
    fn default() -> Self {
        Self::new()
    }
}

impl Tallies {
    pub(crate) const fn new() -> Self {
        Self {
            first: OnceCell::new(),
            more: RwLock::new(Vec::new()),
            others: Others::new(),
        }
    }

    /// The tally of a text. Makes it if it does not exist yet.
    pub(super) fn find(&self, place: impl Fn() -> Place, sql: &str) -> &'static Tally {
        let first = self.first.get_or_init(|| Tally::new(Some(place()), sql));
        if first.text.is(sql) {
            return first;
        }
        let known = |more: &[&'static Tally]| more.iter().find(|tally| tally.text.is(sql)).copied();
        let more = sync::read(&self.more);
        if let Some(tally) = known(&more) {
            return tally;
        }
        if more.len() + 1 >= TEXTS_PER_SITE {
            return self.others.find(|| Some(place()), sql, self.kind(&more));
        }
        drop(more);
        let mut more = sync::write(&self.more);
        // Another thread may have added the text between the two locks.
        if let Some(tally) = known(&more) {
            return tally;
        }
        if more.len() + 1 >= TEXTS_PER_SITE {
            return self.others.find(|| Some(place()), sql, self.kind(&more));
        }
        let tally = Tally::new(Some(place()), sql);
        more.push(tally);
        tally
    }

    /// The first text, if all texts have one summary.
    fn kind(&self, more: &[&'static Tally]) -> Option<&'static Tally> {
        let first = self.first.get().copied()?;
        let is_alike = more.iter().all(|other| other.line == first.line);
        is_alike.then_some(first)
    }
}

/// The tallies of the texts beyond a limit: those of the same effects share one.
#[derive(Debug)]
struct Others(RwLock<Vec<&'static Tally>>);

impl Others {
    const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    fn find(
        &self,
        place: impl Fn() -> Option<Place>,
        sql: &str,
        like: Option<&'static Tally>,
    ) -> &'static Tally {
        let effects = shared_effects(sql);
        let tally = self.shared(place, effects.as_deref().unwrap_or_default(), like);
        if let Some(distinct) = &tally.others {
            distinct.note(hash(sql));
        }
        tally
    }

    fn shared(
        &self,
        place: impl Fn() -> Option<Place>,
        effects: &[Effect],
        like: Option<&'static Tally>,
    ) -> &'static Tally {
        let known = |tallies: &[&'static Tally], effects: &[Effect]| {
            let mut tallies = tallies.iter();
            tallies.find(|tally| tally.effects() == effects).copied()
        };
        if let Some(tally) = known(&sync::read(&self.0), effects) {
            return tally;
        }
        let mut tallies = sync::write(&self.0);
        let of_many;
        let effects = if tallies.len() < SHARED_PER_SITE {
            effects
        } else {
            of_many = effects_of_many(effects);
            &of_many
        };
        known(&tallies, effects).unwrap_or_else(|| {
            let effects = (!effects.is_empty()).then(|| effects.into());
            let tally = Tally::for_others(place(), effects, like);
            tallies.push(tally);
            tally
        })
    }
}

/// The effects of a text that shares its tally.
fn shared_effects(sql: &str) -> Option<Box<[Effect]>> {
    if !may_have_effects(sql) {
        return None;
    }
    let mut effects = effects(sql)?;
    for effect in &mut effects {
        if let Effect::Sets(item) = effect {
            // Another text that sets it may set another value.
            item.bound = true;
        }
    }
    Some(effects)
}

/// What is kept of effects once there are many. Any of the texts may undo what another text has set.
fn effects_of_many(effects: &[Effect]) -> Vec<Effect> {
    let mut of_transactions = effects.iter().rev();
    let last = of_transactions.find(|it| matches!(it, Effect::Begins { .. } | Effect::Ends { .. }));
    let undoes = Effect::Undoes(Undo::Everything);
    [undoes].into_iter().chain(last.cloned()).collect()
}

/// The counters of a text that untracked code sends.
pub(crate) fn without_site(sql: &str) -> &'static Tally {
    let hash = hash(sql);
    let known = WITHOUT_SITE.get(&hash).map(|tally| *tally);
    if let Some(tally) = known {
        // A second text of the same hash counts among the others.
        return if tally.text.is(sql) {
            tally
        } else {
            other_without_site(sql)
        };
    }
    if WITHOUT_SITE.len() >= TEXTS_WITHOUT_SITE {
        return other_without_site(sql);
    }
    // Made before the shard is locked. If two threads do so at once, one tally stays unused: `read_all` leaves it out.
    let tally = Tally::new(None, sql);
    *WITHOUT_SITE.entry(hash).or_insert(tally)
}

fn other_without_site(sql: &str) -> &'static Tally {
    OTHERS_WITHOUT_SITE.find(|| None, sql, None)
}

/// All tallies with a call, as rows.
pub(crate) fn read_all() -> Vec<SiteStats> {
    let all = sync::lock(&ALL).clone();
    all.iter()
        .map(|tally| tally.read())
        .filter(|row| row.calls > 0)
        .collect()
}

/// What is counted of a tally, without its text and its distribution.
pub(crate) struct Sums {
    /// Empty for untracked code.
    pub(crate) function: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) ok: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) rows: u64,
    pub(crate) saved: u64,
    pub(crate) time: std::time::Duration,
}

/// The sums of every tally. Reading them allocates nothing for each.
pub(crate) fn sums() -> Vec<Sums> {
    let all = sync::lock(&ALL).clone();
    let sums = all.into_iter().map(|tally| Sums {
        function: (tally.place.and_then(|place| place.function)).map_or("", Function::name),
        summary: &tally.summary,
        ok: tally.ok.load(Relaxed),
        errors: tally.errors.load(Relaxed),
        cancelled: tally.cancelled.load(Relaxed),
        rows: tally.rows_returned.load(Relaxed),
        saved: tally.saved.load(Relaxed),
        time: tally.time.total(),
    });
    sums.collect()
}

/// The number of statements that were not sent, because a cache had their results.
pub(crate) fn saved() -> u64 {
    let all = sync::lock(&ALL).clone();
    all.iter().map(|tally| tally.saved.load(Relaxed)).sum()
}

/// The number of tallies, and their bytes.
pub(crate) fn size() -> (usize, usize) {
    let all = sync::lock(&ALL).clone();
    (all.len(), all.iter().map(|tally| tally.bytes()).sum())
}
