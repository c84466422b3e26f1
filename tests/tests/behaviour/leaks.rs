//! `outlived_scope` fires: wherever a handle goes when the function that took it has returned.

mod endings;
mod functions;
mod handles;
mod kept;
