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
use crate::finding::{Certainty, Finding, Level, Lint, Related};
use crate::measure::units::{count, short};
use crate::pool_state::endpoint::System;
use crate::scope::Scope;
use crate::scope::ledger::{Closed, Line};
use crate::site::Site;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::{Shape, locks, shape};
use around::Around;

/// A root scope that is older than this is no request: it repeats by design.
const OLDEST: Duration = Duration::from_mins(1);
/// Pages of a list, and statements that are batches already, are silent below this number of calls.
const OF_PAGES: u64 = 100;
/// Calls at least this far apart may wait for something outside.
const PACED: Duration = Duration::from_millis(50);

/// Where to panic, and the message.
pub(crate) type Stop = (Option<&'static Site>, Option<&'static Function>, String);

/// A root scope has returned. Reports each of its sites that ran too often; returns the first that must panic.
pub(crate) fn repeated(root: &Arc<Scope>, may_panic: bool) -> Option<Stop> {
    let closed = root.ledger().close()?;
    let now = Instant::now();
    if now.saturating_duration_since(closed.began) > OLDEST {
        return None;
    }
    let rules = config::rules();
    let mut stop = None;
    // All are reported; one panic is enough.
    for line in &closed.lines {
        let Some(finding) = Repetition::of(&rules, root, &closed, line, now) else {
            continue;
        };
        let reaction = finding.finding().report(Audience {
            span: &Span::current(),
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
    root: &'a Scope,
    closed: &'a Closed,
    line: &'a Line,
    around: Around,
    /// The read whose rows it seems to walk.
    read_before: Option<&'static Tally>,
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
        let broken = broken(line, &around, read_before, |lint| {
            let setting = functions.into_iter().flatten();
            let setting = setting
                .clone()
                .find(|function| function.limit(lint).is_some());
            rules.count(lint, setting, pool)
        })?;
        let level = level(rules, broken, &functions, pool)?;
        Some(Self {
            lint: broken,
            level,
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
            .all_related(self.read_before.and_then(Tally::place).map(|place| {
                let rows = count(line.calls, "row");
                Related::new(format!("the {rows} of this read come first"), place)
            }))
            .facts(self.facts())
            .helps(instead::helps(
                self.lint,
                line,
                self.system,
                self.read_before,
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
            _ if line.tally.writes() && shape(line.tally.sql()) == Shape::Single => {
                "row by row".to_owned()
            }
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
        let reads = !line.tally.writes() && locks(line.tally.sql()).is_none();
        let (known_before, why) = if line.overlaps {
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
        let certainty = if reads && known_before {
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
        let mut facts = vec![Fact::new(
            "time with the database",
            format!(
                "{}, of {} since the first statement",
                short(line.time),
                short(whole)
            ),
        )];
        if line.tally.writes() && line.arguments.unknown == 0 {
            facts.push(Fact::new("different arguments", self.distinct()));
        }
        if line.rows > 0 {
            facts.push(Fact::new("rows", line.rows.to_string()));
        }
        if line.permits > 0 {
            let permits = format!("{}, waited {}", line.permits, short(line.waited));
            facts.push(Fact::new("permits taken", permits));
        }
        let spared = u32::try_from(line.calls - 1).unwrap_or(u32::MAX);
        let saved = line.fastest.saturating_mul(spared);
        let fastest = short(line.fastest);
        facts.push(Fact::new(
            "one statement saves at least",
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
    read_before: Option<&'static Tally>,
    limit: impl Fn(Lint) -> Option<u64>,
) -> Option<Lint> {
    let tally = line.tally;
    let reaches = |lint, number| limit(lint).is_some_and(|limit| number >= limit);
    if !tally.names_a_table() || is_paced(line) {
        return None;
    }
    if shape(tally.sql()) != Shape::Single && line.calls < OF_PAGES {
        return None;
    }
    let reads = !tally.writes() && locks(tally.sql()).is_none();
    let repeats = same(line);
    if reads && reaches(Lint::RedundantQuery, repeats) && distinct(line) * 2 <= line.calls {
        return Some(Lint::RedundantQuery);
    }
    let unknown = line.arguments.unknown;
    let differs = if tally.writes() {
        // Rows that are too large to be compared are rows of their own.
        line.affected > 0 && (distinct(line) + unknown) * 2 > line.calls
    } else {
        distinct(line) * 2 > line.calls.saturating_sub(unknown)
    };
    // A loop that waits for what comes next may be a worker, or may try again until it succeeds.
    let walks = line.overlaps || !around.waits_for_more() || read_before.is_some();
    (differs && walks && reaches(Lint::NPlusOne, line.calls)).then_some(Lint::NPlusOne)
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
    arguments.distinct() + if all_differ { arguments.unseen } else { 0 }
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
    let mut set = functions.filter(|function| function.level(lint).is_some());
    let nearest = set.clone().next();
    if set.any(|function| function.level(lint) == Some(Level::Allow)) {
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
