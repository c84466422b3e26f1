//! A call site ran many times in one root scope: with differing arguments, or with the same.

mod around;
mod instead;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::Reaction;
use super::describe::{closing_notes, taker};
use super::emit::{Audience, Log};
use crate::config::{self, Rules};
use crate::finding::{Certainty, Finding, Level, Lint, Numbers, Related};
use crate::measure::units::{count, short};
use crate::pool_state::endpoint::System;
use crate::scope::Scope;
use crate::scope::ledger::{Closed, Line, Walked};
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::{Shape, locks, shape, varies};
use around::Around;
use instead::operation;

/// A root scope that is older than this is no request: it repeats by design.
const OLDEST: Duration = Duration::from_mins(1);
/// Pages of a list, and statements that are batches already, are silent below this number of calls.
const OF_PAGES: u64 = 100;
/// With so many rows a call, its round trip is a small part of it.
const MANY_ROWS: u64 = 100;
/// Calls at least this far apart may wait for something outside.
const PACED: Duration = Duration::from_millis(50);

/// Where to panic, and the message.
pub(crate) type Stop = (Option<&'static Site>, Option<&'static Function>, String);

/// A root scope has returned. Reports each of its sites that ran too often; returns the first that must panic.
pub(crate) fn repeated(root: &Arc<Scope>, may_panic: bool) -> Option<Stop> {
    let closed = root.ledger().close()?;
    repeated_in(root, &closed, &Span::current(), may_panic)
}

/// The same, of a ledger that was closed before, in `span`.
pub(crate) fn repeated_in(
    root: &Arc<Scope>,
    closed: &Closed,
    span: &Span,
    may_panic: bool,
) -> Option<Stop> {
    let now = Instant::now();
    if now.saturating_duration_since(closed.began) > OLDEST {
        return None;
    }
    let rules = config::rules();
    let mut stop = None;
    // All are reported; one panic is enough.
    for line in &closed.lines {
        let Some(finding) = Repetition::of(&rules, root, closed, line, now) else {
            continue;
        };
        let reaction = finding.finding().report(Audience {
            span,
            collector: root.collector().cloned(),
            scope: Some(Arc::clone(root)),
            may_panic,
            log: Log::PerCause,
        });
        if let Reaction::Panic(message) = reaction {
            let function = line.tally.place().and_then(|place| place.function);
            stop.get_or_insert((line.site, function, message));
        }
    }
    stop
}

/// A line that is reported.
struct Repetition<'a> {
    lint: Lint,
    level: Level,
    limit: Option<u64>,
    root: &'a Scope,
    closed: &'a Closed,
    line: &'a Line,
    around: Around,
    /// The read whose rows it seems to walk.
    read_before: Option<Walked>,
    system: System,
    now: Instant,
}

impl<'a> Repetition<'a> {
    fn of(
        rules: &Rules,
        root: &'a Scope,
        closed: &'a Closed,
        line: &'a Line,
        now: Instant,
    ) -> Option<Self> {
        let around = Around::of(line);
        let read_before = closed.read_before(line);
        let own = line.tally.place().and_then(|place| place.function);
        let functions = [own, line.common.function(), Some(root.function())];
        let pool = line.database.pool.as_deref();
        let limit = |lint| {
            let setting = functions.into_iter().flatten();
            let setting = setting
                .clone()
                .find(|function| function.options().limit(lint).is_some());
            rules.count(lint, setting, pool)
        };
        let broken = broken(line, &around, read_before.is_some(), limit)?;
        let level = level(rules, broken, &functions, pool)?;
        Some(Self {
            lint: broken,
            level,
            limit: limit(broken),
            root,
            closed,
            line,
            around,
            read_before,
            system: System::named(line.database.system),
            now,
        })
    }

    fn finding(&self) -> Finding {
        let line = self.line;
        let place = line.tally.place().unwrap_or(Place::UNKNOWN);
        let (certainty, cause) = self.cause();
        Finding::of(self.lint, self.level, place)
            .title(self.title(place))
            .label(format!("sent here, {} times", line.calls))
            .pool_if_any(line.database.pool.as_deref())
            .cause(certainty, cause)
            .all_related(self.around.related(line))
            .all_related(self.read_before.and_then(|read| {
                let rows = count(read.rows, "row");
                let label = if read.is_open {
                    format!("while the {rows} of this stream are read")
                } else {
                    format!("the {rows} of this read come first")
                };
                Some(Related::new(label, read.tally.place()?))
            }))
            .numbers(Numbers {
                count: Some(line.calls),
                limit: self.limit,
                elapsed: Some(line.time),
                ..Numbers::default()
            })
            .facts(self.facts())
            .helps(instead::helps(
                self.lint,
                line,
                self.system,
                self.read_before.map(|read| read.tally),
            ))
            .notes(self.notes())
            .notes(closing_notes(self.lint, place.function, None))
    }

    fn title(&self, place: Place) -> String {
        let line = self.line;
        let (sender, summary) = (taker(place), &line.tally.summary);
        let root = self.root.function().name();
        let within = if sender == root {
            "in one call".to_owned()
        } else {
            format!("in one call of {root}")
        };
        let how = match self.lint {
            Lint::RedundantQuery if same(line) == line.calls => {
                "each time with the same arguments".to_owned()
            }
            Lint::RedundantQuery => format!("{} with the same arguments", times(same(line))),
            _ if line.tally.writes() && is_row_by_row(line) => "row by row".to_owned(),
            _ => format!("with {} different arguments", self.distinct()),
        };
        format!(
            "{sender} ran `{summary}` {} {within}, {how}",
            times(line.calls)
        )
    }

    fn distinct(&self) -> String {
        let arguments = &self.line.arguments;
        let about = if arguments.is_estimate() {
            "about "
        } else {
            ""
        };
        format!("{about}{}", distinct(self.line))
    }

    /// Why it is certain or not.
    fn cause(&self) -> (Certainty, String) {
        let line = self.line;
        if self.lint == Lint::RedundantQuery {
            let cause = "the text and the arguments were the same, and this root scope wrote nothing in between to a table that the text names";
            return (Certainty::Likely, cause.to_owned());
        }
        let (known_before, why) = if line.common.recurs() {
            (false, "a function that calls itself sends it each time")
        } else if self.around.is_known_by_overlap(line) {
            (
                true,
                "the calls overlapped in time, so none of them needed the answer of another",
            )
        } else if self.around.is_for_loop() {
            (
                true,
                "a `for` loop repeats it, so its rounds were known before the first answer",
            )
        } else {
            (false, "one statement ran for each of many values")
        };
        let certainty = if only_reads(line.tally) && known_before {
            Certainty::Certain
        } else {
            Certainty::Likely
        };
        (certainty, why.to_owned())
    }

    fn facts(&self) -> Vec<crate::finding::Fact> {
        use crate::finding::Fact;
        let line = self.line;
        let whole = self.now.saturating_duration_since(self.closed.began);
        let (time, whole) = (short(line.time), short(whole));
        // The times of calls that overlap may be more than the whole.
        let (time, waited) = if line.overlaps() {
            (
                format!("{time} in sum, several at once, in {whole} since the first statement"),
                format!("{} in sum", short(line.waited)),
            )
        } else {
            (
                format!("{time}, of {whole} since the first statement"),
                short(line.waited),
            )
        };
        let mut facts = vec![Fact::new("time with the database", time)];
        if line.tally.writes() && line.arguments.unknown == 0 {
            facts.push(Fact::new("different arguments", self.distinct()));
        }
        if line.rows > 0 {
            facts.push(Fact::new("rows", line.rows.to_string()));
        }
        if line.permits > 0 {
            let permits = format!("{}, waited {waited}", line.permits);
            facts.push(Fact::new("permits taken", permits));
        }
        let (what, spared) = match self.lint {
            Lint::RedundantQuery => ("reading each once saves at least", spared(line)),
            _ => ("one statement saves at least", line.calls - 1),
        };
        let spared = u32::try_from(spared).unwrap_or(u32::MAX);
        let saved = line.fastest.saturating_mul(spared);
        let fastest = short(line.fastest);
        facts.push(Fact::new(
            what,
            format!("{} ({spared} × {fastest}, the fastest call)", short(saved)),
        ));
        facts
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.system.is_embedded() {
            notes.push(
                "SQLite runs in this process, so that a call is cheap here; with a server, each is a round trip"
                    .to_owned(),
            );
        }
        if let Some(callee) = self.around.callee() {
            notes.push(format!(
                "if each round is a request of its own, `#[track(root)]` on {callee} has each judged by itself"
            ));
        }
        notes
    }
}

/// The lint that a line breaks, if it breaks one. Never both.
fn broken(
    line: &Line,
    around: &Around,
    has_read_before: bool,
    limit: impl Fn(Lint) -> Option<u64>,
) -> Option<Lint> {
    let tally = line.tally;
    let reaches = |lint, number| limit(lint).is_some_and(|limit| number >= limit);
    if !tally.names_a_table() || is_paced(line) {
        return None;
    }
    if is_of_many(line) && line.calls < OF_PAGES {
        return None;
    }
    let is_walk = line.overlaps() || has_read_before;
    let repeats = same(line);
    if only_reads(tally)
        && (is_walk || !around.may_ask_again())
        && reaches(Lint::RedundantQuery, repeats)
        && distinct(line) * 2 <= line.calls
    {
        return Some(Lint::RedundantQuery);
    }
    let unknown = line.arguments.unknown;
    let differs = if tally.writes() {
        // Rows that are too large to be compared are rows of their own.
        wrote(line) && (distinct(line) + unknown) * 2 > line.calls
    } else {
        distinct(line) * 2 > line.calls.saturating_sub(unknown)
    };
    // A loop that waits for what comes next may be a worker, or may try again until it succeeds.
    let walks = is_walk || around.repeats(line) && !around.waits_for_more();
    (differs && walks && reaches(Lint::NPlusOne, line.calls)).then_some(Lint::NPlusOne)
}

/// Whether a text does nothing but read, and reads the same until something is written.
fn only_reads(tally: &Tally) -> bool {
    !tally.writes() && locks(tally.sql()).is_none() && !varies(tally.sql())
}

/// Whether each call is meant for several rows, by its text or by what came of it: a page, a batch, a part of a table.
fn is_of_many(line: &Line) -> bool {
    let inserts = matches!(operation(line.tally), "INSERT" | "REPLACE");
    shape(line.tally.sql()) != Shape::Single
        || line.rows.max(line.affected) >= MANY_ROWS * line.calls
        // MySQL counts a row that an upsert changes twice.
        || inserts && line.affected > 2 * line.calls
}

/// Whether most of the calls found what they write. Where they did not, they may have been tried until one did.
fn wrote(line: &Line) -> bool {
    // What returns its rows may not report how many it has written.
    let written = line.rows.max(line.affected);
    match operation(line.tally) {
        // Rows that exist may be left as they are.
        "INSERT" | "REPLACE" => written > 1,
        _ => written * 2 >= line.calls,
    }
}

/// Whether no call wrote several rows.
fn is_row_by_row(line: &Line) -> bool {
    shape(line.tally.sql()) == Shape::Single && line.rows.max(line.affected) <= line.calls
}

/// The number of calls whose answer was there already.
fn spared(line: &Line) -> u64 {
    // The call that nobody has looked at is one of them, where the others are alike.
    let first = same(line) - line.arguments.most;
    (line.arguments.repeated + first).min(line.calls - 1)
}

/// The number of calls with the same arguments. One that nobody has looked at counts as one of them where all others are
/// the same.
fn same(line: &Line) -> u64 {
    let arguments = &line.arguments;
    let alike = arguments.most > 1 && arguments.distinct() == 1 && arguments.unknown == 0;
    arguments.most + if alike { arguments.unseen } else { 0 }
}

/// The number of different arguments. Those that nobody has looked at are different where all others differ.
fn distinct(line: &Line) -> u64 {
    let arguments = &line.arguments;
    let all_differ = arguments.most <= 1;
    let distinct = arguments.distinct() + if all_differ { arguments.unseen } else { 0 };
    // An estimate may be above what there can be.
    distinct.min(line.calls - arguments.repeated)
}

fn is_paced(line: &Line) -> bool {
    let whole = line.ended.saturating_duration_since(line.began);
    line.mean_distance() >= PACED && line.time * 100 < whole
}

/// The level: none where a function allows it, else that of the innermost function that sets one.
fn level(
    rules: &Rules,
    lint: Lint,
    functions: &[Option<&'static Function>],
    pool: Option<&str>,
) -> Option<Level> {
    let functions = functions.iter().copied().flatten();
    let mut set = functions.filter(|function| function.options().level(lint).is_some());
    let nearest = set.clone().next();
    if set.any(|function| function.options().level(lint) == Some(Level::Allow)) {
        return None;
    }
    super::judge::judge(rules, lint, nearest, pool)
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}
