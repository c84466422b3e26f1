//! What repeats a call site: the loop around it, and the `.await` in it.

use std::panic::Location;

use crate::finding::Related;
use crate::scope::common::Below;
use crate::scope::ledger::Line;
use crate::source::evidence::{Loop, Rounds};
use crate::source::function::Function;
use crate::source::place::Place;

/// What repeats the calls of a line, as far as the attribute has seen it.
pub(super) struct Around {
    /// The function of the innermost scope that all calls have in common.
    function: Option<&'static Function>,
    /// The loop or closure in it.
    repeated_by: Option<Loop>,
    /// The loop around that closure, which may be what calls it each time.
    and_by: Option<Loop>,
    /// The function that it awaits each time, and where. `None` where the statement is its own.
    awaited: Option<(&'static Function, &'static Location<'static>)>,
    /// Whether it awaits them at several places.
    several: bool,
    /// Whether each is a task that carries the scope.
    in_tasks: bool,
    /// Whether further in, each of these goes through rounds of its own that may go on from one another.
    has_inner_rounds: bool,
}

impl Around {
    pub(super) fn of(line: &Line) -> Self {
        let function = line.common.function();
        let several = matches!(line.common.below(), Below::Several);
        let (positions, awaited, in_tasks) = match line.common.below() {
            Below::Nothing => (own_position(line, function).map(|it| vec![it]), None, false),
            Below::Callee {
                function: callee,
                is_branch,
                awaited_at,
            } => {
                let position = function.and_then(|function| function.position_of(awaited_at));
                let positions = position.map(|it| vec![it]);
                (positions, Some((callee, awaited_at)), is_branch)
            }
            Below::Several => (positions_of_several(line, function), None, false),
        };
        let mut around = loops_around_all(function, positions.unwrap_or_default()).into_iter();
        let repeated_by = around.next();
        let is_closure = repeated_by.is_some_and(|(word, ..)| word == "|");
        Self {
            function,
            repeated_by,
            and_by: around
                .find(|(word, ..)| *word != "|")
                .filter(|_| is_closure),
            awaited,
            several,
            in_tasks,
            has_inner_rounds: has_inner_rounds(line),
        }
    }

    /// Whether it is a `for` loop whose rounds work on what each is given. Of several calls in one round, a later one may go on
    /// from an earlier one.
    pub(super) fn is_for_loop(&self) -> bool {
        let is_given = matches!(
            self.repeated_by,
            Some(("for", .., Rounds::GIVEN | Rounds::PAUSED))
        );
        is_given && !self.several
    }

    /// Whether anything repeats the calls. One after the other at several places, they are only many.
    pub(super) fn repeats(&self, line: &Line) -> bool {
        !self.several || line.common.recurs() || self.repeated_by.is_some()
    }

    /// Whether a loop may wait for what its next round works on.
    pub(super) fn waits_for_more(&self) -> bool {
        matches!(self.repeated_by, Some((.., Rounds::WAITING)))
    }

    /// Whether a loop may ask until the answer is another one.
    pub(super) fn may_ask_again(&self) -> bool {
        matches!(
            self.repeated_by,
            Some((.., Rounds::WAITING | Rounds::PAUSED))
        )
    }

    /// Whether calls that overlap were all known before one of them was answered. Otherwise a few at a time may overlap, and
    /// go on from the answers to those before.
    pub(super) fn is_known_by_overlap(&self, line: &Line) -> bool {
        let most_overlap = line.overlapping * 2 > line.calls;
        let known = match self.repeated_by {
            // What the rounds work on was there before.
            Some(("for" | "|", .., Rounds::GIVEN | Rounds::PAUSED)) => line.overlaps(),
            // Its head may take what was started before.
            Some(("while", ..)) | None => most_overlap,
            Some(_) => false,
        };
        known && !self.has_inner_rounds
    }

    /// The name of the function whose rounds could be judged by themselves.
    pub(super) fn callee(&self) -> Option<&'static str> {
        let (callee, _) = self.awaited.filter(|_| !self.in_tasks)?;
        Some(callee.name())
    }

    pub(super) fn related(&self, line: &Line) -> Vec<Related> {
        let Some(function) = self.function else {
            return Vec::new();
        };
        let mut related = Vec::new();
        for (word, [row, column], ..) in self.repeated_by.into_iter().chain(self.and_by) {
            let place = Place {
                file: function.file(),
                line: row,
                column,
                function: Some(function),
            };
            let label = match word {
                "for" => "for each of these",
                "|" => "each time this closure runs",
                _ => "in each round of this loop",
            };
            related.push(Related::new(label, place));
        }
        match self.awaited {
            Some((callee, awaited_at)) if function.contains(awaited_at) => {
                let place = Place::at(awaited_at, Some(function));
                let label = if self.in_tasks {
                    "a task carries this scope from here".to_owned()
                } else {
                    format!("{} is awaited here", callee.name())
                };
                related.push(Related::new(label, place));
            }
            Some((callee, _)) if line.overlaps() => {
                let label = format!("{} runs here, several at once", callee.name());
                related.push(Related::new(label, function.place()));
            }
            _ if related.is_empty() => {
                related.push(Related::new(
                    "all calls are within this function",
                    function.place(),
                ));
            }
            _ => {}
        }
        related
    }
}

/// Whether a function between the common one and the statement repeats what leads to it, other than for each of what it was
/// given.
fn has_inner_rounds(line: &Line) -> bool {
    line.common.inwards().any(|(function, awaits)| {
        let position = match awaits {
            Some(awaited_at) => function.position_of(awaited_at),
            None => own_position(line, Some(function)),
        };
        position.is_some_and(|position| function.loops_around(position).any(go_on))
    })
}

/// Whether the rounds of a loop may go on from one another. The head of a `while` may look at what the round before has set.
fn go_on((word, .., rounds): Loop) -> bool {
    !matches!(word, "for" | "|") || !matches!(rounds, Rounds::GIVEN | Rounds::PAUSED)
}

/// The places of the common function at which the calls are awaited, if all are known.
fn positions_of_several(
    line: &Line,
    function: Option<&'static Function>,
) -> Option<Vec<(u32, u32)>> {
    let places = line.common.places()?.iter();
    let positions = places.map(|place| match place {
        Some(awaited_at) => function?.position_of(awaited_at),
        None => own_position(line, function),
    });
    positions.collect()
}

/// The loops and closures of a function that contain all of these positions, innermost first.
fn loops_around_all(function: Option<&'static Function>, positions: Vec<(u32, u32)>) -> Vec<Loop> {
    let Some(function) = function else {
        return Vec::new();
    };
    let loops = positions
        .into_iter()
        .map(|position| function.loops_around(position).collect::<Vec<_>>());
    loops
        .reduce(|mut around, others| {
            around.retain(|it| others.contains(it));
            around
        })
        .unwrap_or_default()
}

/// Where the statement is sent, if that is in the common function itself.
fn own_position(line: &Line, function: Option<&'static Function>) -> Option<(u32, u32)> {
    let place = line.tally.place()?;
    let is_own = place
        .function
        .zip(function)
        .is_some_and(|(own, common)| std::ptr::eq(own, common));
    is_own.then_some((place.line, place.column))
}
