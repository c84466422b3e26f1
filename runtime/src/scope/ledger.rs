//! What a root scope has sent, by call site: how often, how alike, and from where.
//!
//! A site's first call takes a slot of fixed size. Its second call makes a [`Line`], which keeps sums and hashes: no
//! text, and nothing of an argument.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::common::{Common, Innermost};
use crate::measure::distinct::Distinct;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::sync;

/// A ledger of several calls has room for this many sites that were called once. Further ones take memory.
const FIRSTS: usize = 6;
/// A root scope keeps this many sites that were called once, and as many that were called again. Further ones are counted
/// together.
const LINES: usize = 64;
/// A line keeps this many identities apart. Further ones are estimated.
const IDENTITIES: usize = 16;

/// What is known of a statement's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nobody has looked: it was the first call of its site, in a release build.
    Unseen,
    /// They are too large, or of a driver that is not known.
    Unknown,
    /// Their keyed hash.
    Known(u64),
}

impl Identity {
    /// The identity of the same arguments of another text.
    pub(crate) fn with(self, text: u64) -> Self {
        match self {
            Identity::Known(hash) => Identity::Known(FxBuildHasher.hash_one((hash, text))),
            unknown => unknown,
        }
    }
}

/// A statement that has ended well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) tally: &'static Tally,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// The database's part of the time in between.
    pub(crate) time: Duration,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    pub(crate) arguments: Identity,
    /// How long it has waited for a permit of its own, if it took one.
    pub(crate) waited: Option<Duration>,
    /// The number of the pool that it was sent to, 0 without one. On another pool, the same text is another question.
    pub(crate) pool: u64,
}

impl Call {
    /// What calls of one line have in common.
    fn key(&self) -> (u64, u64) {
        (self.tally.line(), self.pool)
    }
}

/// Where a statement came from, and where it was sent. Nobody asks before the second call of a site.
pub(crate) struct Around<'a> {
    pub(crate) scope: &'a dyn Innermost,
    /// The call site, where a panic can point at it.
    pub(crate) site: Option<&'static Site>,
    /// Asked once a line.
    pub(crate) database: &'a dyn Fn() -> Database,
}

/// Where a statement was sent.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// The name of the pool, if the connection is of one.
    pub(crate) pool: Option<Arc<str>>,
    /// The name of the database system in OpenTelemetry.
    pub(crate) system: &'static str,
}

/// The statements of a root scope.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// A bit for each site that has begun a statement. Several sites may share one.
    begun: AtomicU64,
    has_lines: AtomicBool,
    book: Mutex<Book>,
}

/// What a root scope has sent, after its end.
#[derive(Debug)]
pub(crate) struct Closed {
    /// When its first statement began.
    pub(crate) began: Instant,
    pub(crate) lines: Vec<Line>,
    firsts: Firsts,
}

/// The sites that were called once, by that call.
type Firsts = SmallVec<[First; FIRSTS]>;

impl Closed {
    /// The read whose rows the calls of a line seem to walk, if only one comes into question.
    pub(crate) fn read_before(&self, line: &Line) -> Option<Walked> {
        let once = self.firsts.iter().filter_map(|first| {
            let first = &first.call;
            let is_read = first.ended <= line.began && first.rows == line.calls;
            // Rows of a stream, of which some may need no call.
            let is_open = first.began <= line.began
                && line.last_began <= first.ended
                && first.rows >= line.calls;
            (is_read || is_open).then_some(Walked {
                tally: first.tally,
                rows: first.rows,
                is_open,
            })
        });
        let others = self.lines.iter().filter(|other| {
            other.key() != line.key() && other.ended <= line.began && other.rows == line.calls
        });
        let others = others.map(|other| Walked {
            tally: other.tally,
            rows: other.rows,
            is_open: false,
        });
        let mut found = once.chain(others).filter(|read| !read.tally.writes());
        let read = found.next()?;
        found.next().is_none().then_some(read)
    }
}

/// A read whose rows are walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    pub(crate) tally: &'static Tally,
    pub(crate) rows: u64,
    /// Whether it was still being read when the last of the calls began.
    pub(crate) is_open: bool,
}

/// The calls that have ended. Most scopes send one statement, and should stay small.
#[derive(Debug, Default)]
enum Book {
    #[default]
    Empty,
    One(First),
    Several(Box<Pages>),
}

#[derive(Debug, Default)]
struct Pages {
    firsts: Firsts,
    lines: Vec<Line>,
    /// The number of calls that belong to no line.
    left_out: u64,
}

/// The only call of a site so far.
#[derive(Clone, Copy, Debug)]
struct First {
    call: Call,
    /// Whether a later call may have another answer.
    stale: bool,
}

/// The calls of one site with one summary on one pool, or of one text without a site.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) tally: &'static Tally,
    pool: u64,
    /// The call site, where a panic can point at it.
    pub(crate) site: Option<&'static Site>,
    pub(crate) database: Database,
    pub(crate) calls: u64,
    pub(crate) time: Duration,
    pub(crate) fastest: Duration,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    pub(crate) began: Instant,
    last_began: Instant,
    pub(crate) ended: Instant,
    /// At least so many calls overlapped another one, but for the first of them.
    pub(crate) overlapping: u64,
    /// When one of the calls had ended first.
    first_ended: Instant,
    pub(crate) permits: u64,
    pub(crate) waited: Duration,
    pub(crate) arguments: Arguments,
    pub(crate) common: Common,
}

/// How alike the arguments of a line's calls are.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The identities, each with its number of calls since the last write to what the line reads.
    kept: SmallVec<[(u64, u64); IDENTITIES]>,
    /// All identities, once there are more than are kept.
    sketch: Option<Box<Distinct>>,
    /// The number of calls at whose arguments nobody has looked.
    pub(crate) unseen: u64,
    /// The number of calls whose arguments cannot be compared.
    pub(crate) unknown: u64,
    /// The largest number of calls with the same arguments and no write in between.
    pub(crate) most: u64,
    /// The number of calls that had the arguments of an earlier one, with no write in between. Of those that are estimated,
    /// none is counted.
    pub(crate) repeated: u64,
}

impl Ledger {
    /// Notes that a statement begins. Returns whether one of its site may have begun before.
    #[inline]
    pub(crate) fn begins_again(&self, tally: &Tally) -> bool {
        let bit = 1 << (tally.line() >> 58);
        // Relaxed: the answer only decides whether arguments are looked at. Where they are, a plain load is enough.
        self.begun.load(Relaxed) & bit != 0 || self.begun.fetch_or(bit, Relaxed) & bit != 0
    }

    /// Records a statement that has ended well.
    pub(crate) fn record(&self, call: &Call, around: &Around<'_>) {
        let mut book = self.book();
        let tally = call.tally.of_a_text();
        if tally.writes() {
            book.wrote(tally);
        } else if tally.sets() {
            book.forget();
        }
        if book.record(call, around) {
            self.has_lines.store(true, Relaxed);
        }
    }

    /// Something was done that is not seen: what is read afterwards is not compared with what was read before.
    pub(crate) fn forget(&self) {
        self.book().forget();
    }

    /// Whether a site was called more than once.
    #[inline]
    pub(crate) fn has_lines(&self) -> bool {
        self.has_lines.load(Relaxed)
    }

    /// Closes the ledger. `None` if no site was called more than once.
    pub(crate) fn close(&self) -> Option<Closed> {
        if !self.has_lines() {
            return None;
        }
        let Book::Several(pages) = std::mem::take(&mut *self.book()) else {
            return None;
        };
        let Pages { lines, firsts, .. } = *pages;
        let began = lines.iter().map(|line| line.began);
        Some(Closed {
            began: began
                .chain(firsts.iter().map(|first| first.call.began))
                .min()?,
            lines,
            firsts,
        })
    }

    /// Forgets what a scope has sent that has ended.
    pub(super) fn clear(&mut self) {
        *self.begun.get_mut() = 0;
        self.book = Mutex::default();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        sync::lock(&self.book)
    }
}

impl Book {
    /// Records a call. Returns whether a site was called more than once.
    fn record(&mut self, call: &Call, around: &Around<'_>) -> bool {
        match self {
            Book::Empty => {
                *self = Book::One(First::new(call));
                false
            }
            Book::One(first) => {
                let mut pages = Box::new(Pages::default());
                pages.firsts.push(*first);
                pages.record(call, around);
                let has_lines = !pages.lines.is_empty();
                *self = Book::Several(pages);
                has_lines
            }
            Book::Several(pages) => {
                pages.record(call, around);
                !pages.lines.is_empty()
            }
        }
    }

    /// A statement has written: what reads the same tables afterwards may read something else.
    fn wrote(&mut self, tally: &Tally) {
        match self {
            Book::Empty => {}
            Book::One(first) => first.note_write(tally),
            Book::Several(pages) => pages.wrote(tally),
        }
    }

    fn forget(&mut self) {
        match self {
            Book::Empty => {}
            Book::One(first) => first.stale = true,
            Book::Several(pages) => pages.forget(),
        }
    }
}

impl First {
    fn new(call: &Call) -> Self {
        Self {
            call: *call,
            stale: false,
        }
    }

    fn note_write(&mut self, tally: &Tally) {
        self.stale |= may_read_otherwise_after(self.call.tally, tally);
    }
}

/// Whether `reader` may have another answer after `writer`, which is no call of the same line.
fn may_read_otherwise_after(reader: &Tally, writer: &Tally) -> bool {
    reader.line() != writer.line() && reader.may_read_what_is_written_by(writer)
}

impl Pages {
    fn record(&mut self, call: &Call, around: &Around<'_>) {
        if let Some(line) = self.line(call) {
            line.add(call);
            line.common.narrow(around.scope);
            return;
        }
        let known = |first: &First| first.call.key() == call.key();
        if let Some(at) = self.firsts.iter().position(known) {
            let first = self.firsts.swap_remove(at);
            self.open(&first, call, around);
        } else if self.firsts.len() < LINES {
            self.firsts.push(First::new(call));
        } else {
            self.left_out += 1;
        }
    }

    fn line(&mut self, call: &Call) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.key() == call.key())
    }

    /// Opens a line for the first two calls of a site.
    fn open(&mut self, first: &First, call: &Call, around: &Around<'_>) {
        if self.lines.len() >= LINES {
            self.left_out += 2;
            return;
        }
        let mut line = Line::new(&first.call, around);
        line.add(&first.call);
        if first.stale {
            line.arguments.forget();
        }
        line.add(call);
        self.lines.push(line);
    }

    fn wrote(&mut self, tally: &Tally) {
        for line in &mut self.lines {
            if may_read_otherwise_after(line.tally, tally) {
                line.arguments.forget();
            }
        }
        for first in &mut self.firsts {
            first.note_write(tally);
        }
    }

    fn forget(&mut self) {
        self.lines
            .iter_mut()
            .for_each(|line| line.arguments.forget());
        self.firsts.iter_mut().for_each(|first| first.stale = true);
    }
}

impl Line {
    fn new(call: &Call, around: &Around<'_>) -> Self {
        Self {
            tally: call.tally.of_a_text(),
            pool: call.pool,
            site: around.site,
            database: (around.database)(),
            calls: 0,
            time: Duration::ZERO,
            fastest: Duration::MAX,
            rows: 0,
            affected: 0,
            began: call.began,
            last_began: call.began,
            ended: call.began,
            overlapping: 0,
            first_ended: call.ended,
            permits: 0,
            waited: Duration::ZERO,
            arguments: Arguments::default(),
            common: Common::of(around.scope.path()),
        }
    }

    /// That of its calls.
    fn key(&self) -> (u64, u64) {
        (self.tally.line(), self.pool)
    }

    /// Whether one call began before another had ended.
    pub(crate) fn overlaps(&self) -> bool {
        self.overlapping > 0
    }

    fn add(&mut self, call: &Call) {
        if self.calls > 0 && call.began < self.first_ended {
            // All calls so far ended after this one began.
            self.overlapping = self.calls;
        } else if call.began < self.ended {
            self.overlapping += 1;
        }
        self.calls += 1;
        self.time += call.time;
        self.fastest = self.fastest.min(call.time);
        self.rows += call.rows;
        self.affected += call.affected;
        self.began = self.began.min(call.began);
        self.last_began = self.last_began.max(call.began);
        self.ended = self.ended.max(call.ended);
        self.first_ended = self.first_ended.min(call.ended);
        if let Some(waited) = call.waited {
            self.permits += 1;
            self.waited += waited;
        }
        self.arguments.note(call.arguments);
    }

    /// The mean time from one call's begin to the next one's.
    pub(crate) fn mean_distance(&self) -> Duration {
        let steps = u32::try_from(self.calls - 1).unwrap_or(u32::MAX).max(1);
        self.last_began.saturating_duration_since(self.began) / steps
    }
}

impl Arguments {
    fn note(&mut self, identity: Identity) {
        let hash = match identity {
            Identity::Unseen => {
                self.unseen += 1;
                return;
            }
            Identity::Unknown => {
                self.unknown += 1;
                return;
            }
            Identity::Known(hash) => hash,
        };
        if let Some((_, calls)) = self.kept.iter_mut().find(|(kept, _)| *kept == hash) {
            self.repeated += u64::from(*calls > 0);
            *calls += 1;
            self.most = self.most.max(*calls);
            return;
        }
        if self.kept.len() < IDENTITIES {
            self.kept.push((hash, 1));
            self.most = self.most.max(1);
            return;
        }
        let kept = &self.kept;
        let sketch = self.sketch.get_or_insert_with(|| {
            let sketch = Box::new(Distinct::new());
            kept.iter().for_each(|(hash, _)| sketch.note(*hash));
            sketch
        });
        sketch.note(hash);
    }

    /// Starts anew: what comes is not compared with what was.
    fn forget(&mut self) {
        for (_, calls) in &mut self.kept {
            *calls = 0;
        }
    }

    /// The number of different arguments that were seen. An estimate above [`IDENTITIES`].
    pub(crate) fn distinct(&self) -> u64 {
        match &self.sketch {
            None => self.kept.len() as u64,
            Some(sketch) => sketch.estimate().max(IDENTITIES as u64 + 1),
        }
    }

    /// Whether [`distinct`](Self::distinct) is an estimate.
    pub(crate) fn is_estimate(&self) -> bool {
        self.sketch.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;
    use crate::scope::{Awaited, Kind, Scope};
    use crate::site::{TrackedFn, tally};
    use crate::source::function::Function;

    static ROOT: TrackedFn = TrackedFn::new(Function::new(|| "root", file!(), 1, 1));

    fn root() -> Arc<Scope> {
        let here = Awaited::polled(std::panic::Location::caller());
        Scope::new(Kind::Function, &ROOT, None, here)
    }

    /// Records a call of `sql` with these arguments, which began and ended so long after the first.
    fn call(scope: &Arc<Scope>, sql: &str, arguments: Identity, began: u64, ended: u64) {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        let [began, ended] = [began, ended].map(|millis| *START + Duration::from_millis(millis));
        let tally = tally::without_site(sql);
        let ledger = scope.root().ledger();
        ledger.begins_again(tally);
        let call = Call {
            tally,
            began,
            ended,
            time: ended - began,
            rows: 1,
            affected: 1,
            arguments,
            waited: None,
            pool: 0,
        };
        let around = Around {
            scope: &**scope,
            site: None,
            database: &|| Database {
                pool: None,
                system: "sqlite",
            },
        };
        ledger.record(&call, &around);
    }

    #[track_caller]
    fn only(scope: &Scope) -> Line {
        let mut closed = scope.ledger().close().expect("a site was called again");
        assert_eq!(closed.lines.len(), 1);
        closed.lines.remove(0)
    }

    #[test]
    fn a_few_sites_that_are_called_once_take_one_block_of_memory() {
        let scope = root();
        for site in 0..FIRSTS {
            let sql = format!("SELECT a FROM once_{site}");
            call(&scope, &sql, Identity::Unseen, 0, 1);
        }
        let book = scope.ledger().book();
        let Book::Several(pages) = &*book else {
            panic!("several sites: {book:?}");
        };
        assert!(!pages.firsts.spilled() && pages.lines.capacity() == 0);
        drop(book);
        assert!(!scope.ledger().has_lines() && scope.ledger().close().is_none());
    }

    #[test]
    fn a_root_scope_keeps_a_bounded_number_of_sites() {
        let scope = root();
        for site in 0..2 * LINES {
            let sql = format!("SELECT a FROM many_{site}");
            for _ in 0..2 {
                call(&scope, &sql, Identity::Known(1), 0, 1);
            }
        }
        let book = scope.ledger().book();
        let Book::Several(pages) = &*book else {
            panic!("several sites: {book:?}");
        };
        assert!(pages.lines.len() <= LINES && pages.firsts.len() <= LINES);
        assert!(pages.left_out > 0);
    }

    #[test]
    fn arguments_are_told_apart_and_then_estimated() {
        let scope = root();
        let sql = "SELECT a FROM arguments";
        call(&scope, sql, Identity::Unseen, 0, 1);
        for hash in 0..IDENTITIES as u64 {
            call(&scope, sql, Identity::Known(hash), 0, 1);
        }
        call(&scope, sql, Identity::Known(3), 0, 1);
        call(&scope, sql, Identity::Unknown, 0, 1);
        let line = only(&scope);
        let arguments = &line.arguments;
        assert_eq!((line.calls, arguments.most, arguments.unknown), (19, 2, 1));
        assert_eq!((arguments.distinct(), arguments.is_estimate()), (16, false));

        for number in 0..1_000_u64 {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write_u64(number);
            call(&scope, sql, Identity::Known(hasher.finish()).with(1), 0, 1);
        }
        let arguments = only(&scope).arguments;
        assert!(arguments.is_estimate());
        let distinct = arguments.distinct();
        assert!((500..2_000).contains(&distinct), "{distinct}");
    }

    #[test]
    fn a_write_to_a_table_starts_its_reads_anew() {
        let scope = root();
        let read = "SELECT a FROM written";
        let again = |times| {
            for _ in 0..times {
                call(&scope, read, Identity::Known(1), 0, 1);
            }
        };
        again(3);
        call(&scope, "UPDATE other SET a = 1", Identity::Unseen, 0, 1);
        again(1);
        call(&scope, "UPDATE x.Written SET a = 1", Identity::Unseen, 0, 1);
        again(2);
        let line = only(&scope);
        assert_eq!((line.calls, line.arguments.most), (6, 4));
    }

    #[test]
    fn calls_overlap_if_one_begins_before_another_has_ended() {
        let scope = root();
        let sql = "SELECT a FROM overlapping";
        call(&scope, sql, Identity::Unseen, 0, 10);
        call(&scope, sql, Identity::Known(1), 10, 20);
        call(&scope, sql, Identity::Known(2), 20, 30);
        let line = only(&scope);
        assert!(!line.overlaps());
        assert_eq!(line.mean_distance(), Duration::from_millis(10));
        // The ledger was closed, so this is the first call again.
        call(&scope, sql, Identity::Known(3), 0, 10);
        call(&scope, sql, Identity::Known(4), 9, 20);
        assert!(only(&scope).overlaps());
    }
}
