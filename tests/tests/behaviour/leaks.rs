//! `outlived_scope` fires wherever a handle is kept after the function that acquired it has returned.

mod endings;
mod functions;
mod handles;
mod hidden;
mod kept;
