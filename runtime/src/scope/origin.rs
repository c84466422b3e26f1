//! Where a permit is asked for.

use std::panic::Location;

use super::context;
use crate::site::Site;
use crate::source::function::Function;
use crate::source::place::Place;

/// Where a caller is, or the function it is in where the caller is sqlx itself.
pub(crate) fn caller(location: &'static Location<'static>) -> Place {
    caller_in(location, current_function())
}

fn caller_in(location: &'static Location<'static>, function: Option<&'static Function>) -> Place {
    let in_sqlx = location.file().contains("sqlx-core");
    match function {
        Some(function) if in_sqlx => function.place(),
        None if in_sqlx => Place::UNKNOWN,
        _ => Place::at(location, function),
    }
}

/// What is known at a call of where its handle will be asked for.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// At this call site, which is known at the call already.
    Site(&'static Site),
    /// At the call site that is polled then, else where it was called, in that function.
    Call(&'static Location<'static>, Option<&'static Function>),
    /// At the call site that is polled then, else there.
    UnlessPolled(Place),
}

impl Origin {
    /// Asked when the wait begins: the place, and its site where the attribute knows it.
    pub(crate) fn resolve(self) -> (Place, Option<&'static Site>) {
        let known = match self {
            Origin::Site(site) => Some(site),
            Origin::Call(..) | Origin::UnlessPolled(_) => context::site(),
        };
        let place = match (known, self) {
            (Some(site), _) | (None, Origin::Site(site)) => site.place(),
            (None, Origin::Call(location, function)) => caller_in(location, function),
            (None, Origin::UnlessPolled(place)) => place,
        };
        (place, known)
    }

    /// The caller of a method that takes a handle.
    pub(crate) fn caller(location: &'static Location<'static>) -> Self {
        Origin::Call(location, current_function())
    }
}

fn current_function() -> Option<&'static Function> {
    context::function().map(|function| &**function)
}
