//! The attribute `#[track]` of [sqlx-leash]. Use it through that crate, which pins this one: the two share a private
//! contract.
//!
//! [sqlx-leash]: https://docs.rs/sqlx-leash

mod attributes;
mod crate_path;
mod errors;
mod expand;
mod lints;
mod location;
mod model;
mod options;
mod parse;
mod returns;
mod sites;
mod straight;
#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "a test is data, and its snapshot is written by expect-test"
)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Item;

use crate::errors::Errors;
use crate::model::Mode;
use crate::options::Options;

/// Tracks functions: counts their queries, follows the handles they take, and judges both when they return.
///
/// It goes on an `async fn`, on a fn that returns a future or a stream, on an impl block (also of a trait), on a
/// trait with default bodies, and on an inline module, where it reaches all of these.
///
/// ```ignore
/// use sqlx::{SqlitePool, track};
///
/// struct ExamRepo {
///     pool: SqlitePool,
/// }
///
/// #[track(max_queries = 3)]
/// impl ExamRepo {
///     async fn find(&self, id: i64) -> sqlx::Result<Exam> {
///         sqlx::query_as("SELECT * FROM exam WHERE id = ?").bind(id).fetch_one(&self.pool).await
///     }
///
///     #[track(max_queries = 200, allow(n_plus_one, reason = "the nightly import"))]
///     async fn import(&self, exams: &[Exam]) -> sqlx::Result<()> {
///         // …
///     }
///
///     #[track(skip)]
///     async fn untracked(&self) {}
/// }
/// ```
///
/// An attribute inside another one refines it: what is nearest to the function wins. Without the feature `track` of the
/// runtime the options are checked all the same, and the item stays as it was written.
///
/// # Options
///
/// | option | says |
/// | --- | --- |
/// | `name = "exams.find"` | what the function is called in reports, instead of `module::ExamRepo::find` |
/// | `skip` | this one is not tracked, though its impl, trait or module is |
/// | `root` | the function begins a unit of work of its own, within which queries are counted: a job in a worker, a request in a server |
/// | `returns_handle` | the returned value holds a connection, transaction or stream although its type does not show it |
/// | `max_queries = 3` | more queries than that in one execution are a `query_budget` finding; the limit of that lint |
/// | `allow(lint, reason = "…")`, `warn(…)`, `deny(…)` | the level of one or more lints or groups, and why |
/// | `crate = ::path` | where sqlx-leash is found, if not by its name in `Cargo.toml` |
/// | *lint* `=` *limit* | the limit of a lint, by the lint's name |
///
/// | limit of | written as | for example |
/// | --- | --- | --- |
/// | `held_idle`, `held_too_long`, `slow_query`, `unaccounted_connections`, `close_blocked` | a time with its unit | `held_idle = "1m 30s"`, `slow_query = "200ms"` |
/// | `n_plus_one`, `redundant_query`, `query_budget`, `duplicate_pool` | a whole number | `n_plus_one = 20` |
/// | `pool_pressure` | a percentage | `pool_pressure = "90%"` |
/// | `connection_churn` | connections per second | `connection_churn = "2/s"` |
///
/// `outlived_scope`, `pool_deadlock`, `pool_timeout`, `nested_acquire`, `outside_transaction` and `implicit_rollback` have
/// none. The groups are `all`; `leaks` (`outlived_scope`, `held_idle`, `held_too_long`, `implicit_rollback`); `queries`
/// (`outside_transaction`, `n_plus_one`, `redundant_query`, `query_budget`, `slow_query`); and `pool`, which is the rest. A
/// lint named by itself beats its group, and a group beats `all`, in whatever order they stand.
///
/// # What is seen
///
/// Each place in a body that awaits one of sqlx's methods (`fetch_one`, `execute`, `acquire`, `begin`, `commit` and their
/// like, also as `Executor::execute(…)`) is a call site of its own, by file, line and column of the method's name. So is a
/// `fetch` that makes a stream, and a query that is handed on before it is awaited, as in
/// `timeout(limit, query("…").execute(&pool))`. They are found in nested blocks, closures and async blocks, and in the
/// arguments of `join!`, `try_join!`, `select!`, `vec!`, `assert!`, `dbg!`, `matches!`, `pin!`, `stream!`, and of macros that
/// format or log.
///
/// No types are known here, only words. A method of another library with the same name is called as ever: what is put
/// around it returns what it returns.
///
/// # What is not seen
///
/// - Inner `fn`s and other items within a body, and the arguments of other macros. What runs in the latter counts under the
///   function, without a line of its own.
/// - A future or stream behind an alias of yours, or behind `impl Future` with a promise beyond `Send`, `Sync`, `Unpin` and
///   lifetimes. Such a fn has no scope of its own; its async blocks still have their call sites.
/// - A `return` inside a macro, in a sync fn that returns a future or stream. If that is a `BoxFuture`, it runs without the
///   scope; if it is an `impl Future`, the compiler objects.
///
/// Other attributes that rewrite the function (`#[instrument]`, `#[async_trait]`, `#[tokio::test]`) may stand above or below.
///
/// # Cost
///
/// Nothing is boxed and no argument is copied. The future is as large as without the attribute, but for what the runtime
/// keeps about one execution. Only a sync fn that returns a `BoxFuture` or a `BoxStream` which it does not make by
/// `Box::pin(…)` in its last line gets one box more.
///
/// # What differs for the compiler
///
/// An `async fn` becomes a `fn` that returns `impl Future`. Lints that look for the word `async` (`clippy::unused_async`,
/// `async_fn_in_trait`) do not see it, and errors may speak of an `async` block where they spoke of an `async fn`; they stand
/// on the same code. An `#[expect(…)]` on a tracked item counts as `#[allow(…)]`.
#[proc_macro_attribute]
pub fn track(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::On).into()
}

/// [`macro@track`] while the runtime does not track: the same options and the same errors, and the item as written.
#[proc_macro_attribute]
pub fn track_off(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::Off).into()
}

/// The whole attribute.
fn attribute(options: TokenStream, item: &TokenStream, mode: Mode) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(parse::entries(options, &mut errors), &mut errors);
    let mut parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let node = model::read(parsed.clone(), &options, mode, &mut errors);
    match errors.into_compile_errors() {
        None => expand::expand(node),
        // The item stays, so that its callers do not complain as well.
        Some(errors) => {
            attributes::strip(&mut parsed);
            let item = parsed.into_token_stream();
            quote!(#errors #item)
        }
    }
}
