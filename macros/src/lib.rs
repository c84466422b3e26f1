//! The attribute `#[track]` of sqlx-leash.
//!
//! Use it through that crate, as `sqlx::track`. sqlx-leash depends on exactly one version of this crate, because the
//! expansion calls hidden functions of the runtime.

mod attributes;
mod crate_path;
mod errors;
mod expand;
mod hollow;
mod in_place;
mod joined;
mod lints;
mod location;
mod model;
mod options;
mod parse;
mod returns;
mod sites;
mod straight;
mod taken;
#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "a test is data, and its snapshot is written by expect-test"
)]
mod tests;
mod words;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::model::Mode;
use crate::options::Options;

/// Tracks a function: counts its statements at their call sites, follows the handles that it takes, and checks both
/// when it returns.
///
/// Each execution of a tracked function is a *scope*. A *call site* is a place in its body that sends a statement or
/// takes a handle: a connection, a transaction, a savepoint or a row stream. Each finding of a lint names the call
/// sites and functions that caused it.
///
/// # Where it goes
///
/// | on | tracks |
/// | --- | --- |
/// | an `async fn` | the function |
/// | a `fn` that returns a future: `impl Future`, `BoxFuture`, `Pin<Box<dyn Future>>` | the function; its scope is the execution of the future |
/// | a `fn` that returns a stream: `impl Stream`, `BoxStream`, `Pin<Box<dyn Stream>>` | its call sites; the handles belong to the scope that reads the stream |
/// | any other `fn` with an async block or a call site | these; it has no scope |
/// | an impl block, also of a trait | its methods |
/// | a trait | its methods that have a body |
/// | an inline module | all of the above in it, nested inline modules included |
///
/// Mark the functions that send statements, those that take a connection or a transaction, those that are called while one
/// is held, and the handlers and jobs at the top, which become root scopes. In doubt mark every `async fn` of a module that
/// uses a pool: a call that sends nothing costs next to nothing.
///
/// A module in another file (`mod exams;`) is refused: the attribute would see no more than its name. Put the attribute on
/// the impl blocks and functions in that file.
///
/// On a `fn` that is none of these, the attribute would do nothing, so it is a compile error. It is none where it stands in
/// a tracked impl block, trait or module and has no attribute of its own, and where the name of the return type leaves
/// open that it is a future.
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
///     // Refines the attribute of the impl block.
///     #[track(max_queries = 200, allow(held_idle, reason = "parses a file in between"))]
///     async fn import(&self, path: &Path) -> sqlx::Result<()> {
///         let mut tx = self.pool.begin().await?;
///         for exam in parse(path) {
///             insert(&mut tx, &exam).await?;
///         }
///         tx.commit().await
///     }
///
///     #[track(skip)]
///     async fn version(&self) -> u32 {
///         3
///     }
/// }
/// ```
///
/// ## One attribute inside another
///
/// A function inherits the options of the attributes around it, and its own attribute refines them: for each limit,
/// each level and `crate`, the attribute nearest to the function wins. `root` and `returns_handle` are inherited as
/// well, and an inner attribute cannot unset them. `name` and `skip` apply only to the item on which they stand.
///
/// Several attributes on one item are merged. Where two of them set the same option, the lower one wins.
///
/// # Options
///
/// Commas separate the options. Each mistake is a compile error at the word in question, and all mistakes are
/// reported at once.
///
/// | option | accepts | sets |
/// | --- | --- | --- |
/// | `name = "exams.find"` | a string | the function's name in reports |
/// | `skip` | no value | that the item is not tracked |
/// | `root` | no value | that the function starts a root scope |
/// | `returns_handle` | no value | that the returned value holds a handle although its type does not show it |
/// | `max_queries = 3` | a whole number | the number of statements that one execution may send |
/// | `allow(lint, …)`, `warn(…)`, `deny(…)` | lints or groups, and a `reason` | the level of lints |
/// | `held_idle = "60s"`, … | what the lint's limit is measured in | the limit of the lint of that name |
/// | `crate = ::path` | a path | where the expansion finds sqlx-leash |
///
/// ## `name`
///
/// The name of the function in findings, events and snapshots, in place of its path (`module::ExamRepo::find`).
/// Accepts a string that is not blank. An impl block, a trait or a module does not accept it, because it names a
/// single function.
///
/// ```ignore
/// #[track(name = "exams.find")]
/// async fn find(pool: &SqlitePool, id: i64) -> sqlx::Result<Exam> {
///     sqlx::query_as("SELECT * FROM exam WHERE id = ?").bind(id).fetch_one(pool).await
/// }
/// ```
///
/// ## `skip`
///
/// The item is not tracked, although it stands in a tracked impl block, trait or module. Accepts no value, and no
/// other option beside it. The statements of a skipped function count for the tracked function that calls it. An
/// attribute within a skipped impl block, trait or module still tracks its own item.
///
/// ```ignore
/// #[track]
/// impl Registry {
///     #[track(skip)]
///     async fn query(&self, name: &str) -> Option<Entry> {
///         self.entries.get(name).cloned()
///     }
/// }
/// ```
///
/// ## `root`
///
/// The scope of the function is a root scope, even when another tracked function calls it. Its statements do not
/// count for the budgets of its callers, it does not hold the handles of its callers, and a handle that it returns
/// belongs to no scope. Accepts no value.
///
/// Use it for a unit of work that starts inside another scope, such as a job in the loop of a worker.
///
/// ```ignore
/// #[track(root)]
/// async fn job(pool: &PgPool, id: i64) -> sqlx::Result<()> {
///     sqlx::query("UPDATE job SET done = now() WHERE id = $1").bind(id).execute(pool).await?;
///     Ok(())
/// }
/// ```
///
/// ## `returns_handle`
///
/// The returned value holds a handle although its type does not show it. The handles that are alive when the function
/// returns then pass to the scope of the caller, and `outlived_scope` does not report them. Accepts no value.
///
/// The type shows a handle that is the returned value itself, or stands in a tuple, a collection, a `Box` or a
/// struct. It does not show a handle that a type of yours keeps behind a `std::sync::Mutex`, the end of a channel or
/// a `JoinHandle`. Without this option, `outlived_scope` then reports the handle as likely.
///
/// The same option declares a handle that the function leaves in an argument, such as `&mut self`.
///
/// ```ignore
/// #[track(returns_handle)]
/// async fn exporter(pool: &PgPool) -> sqlx::Result<Exporter> {
///     let connection = pool.acquire().await?;
///     let (sender, receiver) = tokio::sync::mpsc::channel(16);
///     tokio::spawn(export(connection, receiver));
///     Ok(Exporter { sender })
/// }
/// ```
///
/// ## `max_queries`
///
/// The number of statements that one execution of the function may send: the limit of the lint `query_budget`.
/// Accepts a whole number of at least 1. With `max_queries = 3` the fourth statement is reported, before it is sent.
///
/// Statements of the functions that it calls count as well, and so do those of tasks that carry its scope
/// (`in_current_scope`). Begin, commit, rollback and savepoints do not count. On an impl block, a trait or a module,
/// each function has its own budget. `query_budget = 3` sets the same limit; one attribute accepts only one of the
/// two.
///
/// ```ignore
/// #[track(max_queries = 2)]
/// async fn overview(pool: &PgPool) -> sqlx::Result<(Vec<Exam>, Vec<Patient>)> {
///     let exams = sqlx::query_as("SELECT * FROM exam").fetch_all(pool).await?;
///     let patients = sqlx::query_as("SELECT * FROM patient").fetch_all(pool).await?;
///     Ok((exams, patients))
/// }
/// ```
///
/// ## `allow`, `warn`, `deny`
///
/// The level of one or more lints for this function. With `allow` the lint is not looked for. With `warn` a finding
/// is logged at WARN. With `deny` it panics in the cases that [Panics](#panics) lists, and is logged at ERROR in all
/// others. Accepts names of lints and groups, and a string as `reason`. The reason is for readers of the source; no
/// report shows it.
///
/// The groups are `all`, and `leaks`, `pool` and `queries` of the table below. The name of a lint takes precedence
/// over the name of its group, and its group over `all`, in any order. Two levels for the same name are an error.
///
/// ```ignore
/// #[track(deny(all), warn(queries), allow(slow_query, reason = "a report over all years"))]
/// async fn report(pool: &PgPool) -> sqlx::Result<Vec<Year>> {
///     sqlx::query_as("SELECT year, count(*) FROM exam GROUP BY year").fetch_all(pool).await
/// }
/// ```
///
/// A level or limit in the attribute takes precedence over the environment variable `SQLX_LEASH`, over
/// `leash::Config` and over the default. The settings `cap` and `off` of `SQLX_LEASH` and `Config` still apply to it.
///
/// ## Limits
///
/// The name of a lint sets its limit. A duration is written as the crate humantime reads it: `"200ms"`, `"1m 30s"`.
/// No limit can be zero.
///
/// ```ignore
/// #[track(held_idle = "60s", slow_query = "200ms")]
/// async fn export(pool: &PgPool) -> sqlx::Result<()> {
///     let mut connection = pool.acquire().await?;
///     upload(sqlx::query("SELECT * FROM exam").fetch(&mut *connection)).await
/// }
/// ```
///
#[doc = include_str!("lints.md")]
///
/// The limit applies to the handles that the function takes (`held_idle`, `held_too_long`), to the statements that it
/// sends (`slow_query`) and to the pools that it makes (`duplicate_pool`) and closes (`close_blocked`).
///
/// `pool_pressure`, `unaccounted_connections` and `connection_churn` judge a pool, not a function. The attribute accepts
/// their levels and limits, but these have no effect there: set them in `SQLX_LEASH` or `leash::Config`.
///
/// `leash::explain(lint)` returns the page of a lint: what it finds, an example that triggers it, and the fix.
///
/// ## `crate`
///
/// The path under which the expansion finds sqlx-leash. Accepts a path without generic arguments. By default, the
/// attribute reads the name of the crate from your `Cargo.toml`. Set the path if your crate uses sqlx-leash through
/// another crate that re-exports it.
///
/// ```ignore
/// #[track(crate = ::database::sqlx)]
/// async fn ping(pool: &PgPool) -> sqlx::Result<()> {
///     sqlx::query("SELECT 1").execute(pool).await?;
///     Ok(())
/// }
/// ```
///
/// # Off mode
///
/// Without the feature `track` of sqlx-leash, no option has an effect. The attribute accepts the same options,
/// reports the same mistakes, and leaves the item as it is. Only one check is missing: whether an option applies to a
/// function that another attribute macro rewrites.
///
/// # Panics
///
/// A tracked function panics where a finding is certain, its lint is at `deny`, and sqlx-leash is compiled with
/// `debug_assertions`:
///
/// | lint | where | default in a debug build |
/// | --- | --- | --- |
/// | `outlived_scope` | when the function returns, at the function's name | `deny` |
/// | `implicit_rollback` | the same | `warn` |
/// | `session_state` | when the function in which the connection goes back returns, or at the statement that was sent to the pool | `warn` |
/// | `query_budget` | at the statement over the budget, before it is sent | `deny` |
/// | `n_plus_one` | at the repeated query, when the root scope returns | `warn` |
/// | `pool_deadlock` | at the acquire that waits last | `deny` |
/// | `pool_timeout` | at the acquire that timed out | `warn` |
/// | `nested_acquire`, `outside_transaction` | at the acquire of the second permit, or the query that took it | `warn` |
/// | `failed_transaction` | at the next statement in the transaction, before it is sent, or at its commit | `warn` |
/// | `database_locked` | at the statement, begin or commit that SQLite has refused | `warn` |
/// | `pool_settings` | where the connect is awaited, or at the lazy connect | `warn` |
///
/// The other lints never panic; nor does a finding that is not certain. The setting `fail=likely`, which is for tests,
/// lifts both. In a release build, in a destructor and while unwinding there is no panic, and the
/// finding is logged at ERROR. The same holds for a function that is cancelled or panics itself.
/// `SQLX_LEASH=cap=warn` replaces these panics by events at WARN. Inside `leash::testing::findings` the findings are
/// collected instead.
///
/// # What is seen
///
/// These places are call sites:
///
/// - an `.await` of one of sqlx's methods (`fetch_one`, `execute`, `acquire`, `begin`, `commit` and others), also in
///   the form `Executor::execute(…)`,
/// - a `fetch` that returns a stream,
/// - a query that is passed to another function before it is awaited:
///   `timeout(limit, query("…").execute(&pool))`.
///
/// The file, line and column of a call site are those of the method's name.
///
/// Call sites are found in nested blocks, closures and async blocks, and in the arguments of `join!`, `try_join!`,
/// `select!`, `vec!`, `assert!`, `dbg!`, `matches!`, `pin!`, `stream!` and macros that format or log.
///
/// The attribute sees names, not types. If a method of another library has one of these names, the call behaves as
/// before.
///
/// # What is not seen
///
/// - Inner functions and other items in a body, unless they have an attribute of their own.
/// - The arguments of other macros. Statements in them count for the function, without a call site.
/// - A returned future or stream behind a type alias of your own, or with bounds other than `Send`, `Sync`, `Unpin`
///   and lifetimes. Such a function has no scope; its async blocks still have call sites.
/// - A `return` inside a macro, in a `fn` that returns a future or a stream. A `BoxFuture` returned in this way runs
///   without the scope; with `impl Future` it is a compile error.
///
/// A function that returns a stream has no scope either, so `root`, `returns_handle` and `max_queries` have no effect
/// on it.
///
/// # Other attributes
///
/// Attributes that rewrite the function (`#[instrument]`, `#[async_trait]`, `#[fastrace::trace]`, `#[tokio::test]`,
/// `#[sqlx::test]`, `#[test_log::test]`) may
/// stand above or below `#[track]`. It expands after those below it, so that all of them see the code as you wrote
/// it.
///
/// What is found, and how certain it is, does not depend on them. An async block that such an attribute puts around the
/// body belongs to the body where the block runs once and in place: it is awaited where it stands, boxed as the returned
/// future, or wrapped in a span. The same holds for a block that you write in this way. Of an attribute that runs the body
/// in another way, with a timeout, say, what is found is likely at most.
///
/// # Cost
///
/// No argument is copied. A tracked future is four pointers larger, and the future of each query that the function does
/// not await itself one pointer.
/// Nothing is boxed, with one exception: a `fn` that returns a `BoxFuture` or a `BoxStream` allocates one more box,
/// unless its last expression is `Box::pin(…)`.
///
/// # What differs for the compiler
///
/// An `async fn` becomes a `fn` that returns `impl Future`, so lints about the keyword `async`
/// (`clippy::unused_async`, `async_fn_in_trait`) do not see it. Errors point to the same code, but may mention an
/// `async` block instead of an `async fn`. An `#[expect(…)]` on a tracked item counts as `#[allow(…)]`.
#[proc_macro_attribute]
pub fn track(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::On).into()
}

/// The off mode of [`macro@track`]: accepts the same options, reports the same errors, and leaves the item as written.
#[proc_macro_attribute]
pub fn track_off(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::Off).into()
}

/// Expands the attribute, on tokens that unit tests can make as well.
fn attribute(options: TokenStream, item: &TokenStream, mode: Mode) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(parse::entries(options, &mut errors), &mut errors);
    let (parsed, bodies) = match hollow::parse(item) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let node = model::read(parsed, bodies, &options, mode, &mut errors);
    match errors.into_compile_errors() {
        None => expand::expand(node),
        // Keep the item: without it, the compiler would also report each use of it as unresolved.
        Some(errors) => {
            let item = attributes::without_track(item);
            quote!(#errors #item)
        }
    }
}
