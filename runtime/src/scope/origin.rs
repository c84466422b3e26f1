//! Where a permit is requested.

use std::panic::Location;

use super::context;
use crate::site::Site;
use crate::site::acquires::{self, Acquires};
use crate::source::function::Function;
use crate::source::place::Place;

/// The place of a caller. If the caller is sqlx itself, the place of the running function.
pub(crate) fn caller(location: &'static Location<'static>) -> Place {
    caller_in(location, current_function())
}

fn caller_in(location: &'static Location<'static>, function: Option<&'static Function>) -> Place {
    let in_sqlx = is_in_sqlx(location);
    match function {
        Some(function) if in_sqlx => function.place(),
        None if in_sqlx => Place::UNKNOWN,
        _ => Place::at(location, function),
    }
}

// Inlined, the search would be unrolled for this text at every call.
#[inline(never)]
fn is_in_sqlx(location: &Location<'_>) -> bool {
    location.file().contains("sqlx-core")
}

/// What a call of a method knows about the place at which its permit will be requested.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// This call site: it is known when the method is called.
    Site(&'static Site),
    /// The call site that is polled when the wait begins; without one, the place of the call, in this function.
    Call(&'static Location<'static>, Option<&'static Function>),
    /// The call site that is polled when the wait begins; without one, this place.
    UnlessPolled(Place),
}

/// Where a permit is requested, when that is known.
pub(crate) struct Resolved {
    pub(crate) place: Place,
    /// The call site at `place`, if the attribute has recorded one.
    pub(crate) site: Option<&'static Site>,
    /// The counters of `place`.
    pub(crate) acquires: &'static Acquires,
}

impl Origin {
    /// Called when the wait begins.
    pub(crate) fn resolve(self) -> Resolved {
        let site = match self {
            Origin::Site(site) => Some(site),
            Origin::Call(..) | Origin::UnlessPolled(_) => context::site(),
        };
        let acquires = match (site, self) {
            (Some(site), _) | (None, Origin::Site(site)) => site.acquires(),
            (None, Origin::Call(location, function)) => {
                acquires::of_call(location, function, || caller_in(location, function))
            }
            (None, Origin::UnlessPolled(place)) => acquires::at(place),
        };
        Resolved {
            place: acquires.place(),
            site,
            acquires,
        }
    }

    /// The origin of a permit that a method requests, called at `location`.
    pub(crate) fn caller(location: &'static Location<'static>) -> Self {
        Origin::Call(location, current_function())
    }
}

fn current_function() -> Option<&'static Function> {
    context::function().map(|function| &**function)
}
