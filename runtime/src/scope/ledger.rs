//! What a root scope has sent, by call site: how often, how alike, and from where.
//!
//! A site's first call takes a slot of fixed size. Its second call makes a [`Line`], which keeps sums and hashes: no
//! text, and nothing of an argument.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::common::Innermost;
use crate::site::Site;
use crate::site::tally::Tally;
use crate::sync;

mod arguments;
mod line;

pub(crate) use arguments::Identity;
pub(crate) use line::Line;

/// A ledger of several calls has room for this many sites that were called once. Further ones take memory.
const FIRSTS: usize = 6;
/// A root scope keeps this many sites that were called once, and as many that were called again. Further ones are counted
/// together.
const LINES: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{Awaited, Kind, Scope};
    use crate::site::{TrackedFn, tally};
    use crate::source::function::Function;
    use crate::source::options::Options;

    static ROOT: TrackedFn = TrackedFn::new(Function::unseen(file!(), "at 1:1", &Options::NONE));

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
