//! Every mistake: the token that its error points to, what is wrong, and the remedy.

use expect_test::{Expect, expect};
use proc_macro2::{TokenStream, TokenTree};

use super::expand;
use crate::model::Mode;

/// Checks the errors, one line each: `first token of the span: message`. Both modes must report the same.
#[track_caller]
fn check(source: &str, expected: Expect) {
    let on = reported(expand(source, Mode::On));
    let off = reported(expand(source, Mode::Off));
    assert_eq!(on, off, "both modes report the same errors");
    expected.assert_eq(&on);
}

fn reported(tokens: TokenStream) -> String {
    let mut errors = String::new();
    let mut guilty = None;
    let mut is_error = false;
    for token in tokens {
        match token {
            // The first token of `::core::compile_error!` has the span of the first guilty token.
            TokenTree::Punct(punct) if punct.as_char() == ':' && guilty.is_none() => {
                guilty = punct.span().source_text();
            }
            TokenTree::Ident(ident) if ident == "compile_error" => is_error = true,
            TokenTree::Group(group) if is_error => {
                is_error = false;
                let message: syn::LitStr = syn::parse2(group.stream()).expect("a message");
                let guilty = guilty.take().unwrap_or_default();
                errors += &[&guilty, ": ", &message.value(), "\n"].concat();
            }
            _ => {}
        }
    }
    errors
}

/// Checks one list of options, on a function to which every option applies.
#[track_caller]
fn option(option: &str, expected: Expect) {
    check(&format!("#[track({option})] async fn f() {{}}"), expected);
}

#[test]
fn right_options_are_silent() {
    for right in [
        "",
        "root",
        "root,",
        "name = \"exams.find\"",
        "max_queries = 3, returns_handle",
        "max_queries = 1_000",
        "held_idle = \"1m 30s\", held_too_long = \"2h\", close_blocked = \"1ms\"",
        "pool_pressure = \"100%\", connection_churn = \"2/s\", duplicate_pool = 3",
        "allow(all), deny(leaks), warn(held_idle, slow_query, reason = \"why\")",
        "allow(n_plus_one), n_plus_one = 20",
        "crate = ::sqlx_leash",
        "crate = self::database",
        "skip",
    ] {
        option(right, expect![""]);
    }
}

#[test]
fn unknown_options() {
    option(
        "max_query = 3",
        expect![[r#"
        max_query: unknown option `max_query`; did you mean `max_queries`?
    "#]],
    );
    option(
        "n_plus_1 = 3",
        expect![[r#"
        n_plus_1: unknown option `n_plus_1`; did you mean `n_plus_one`?
    "#]],
    );
    option(
        "leaks",
        expect![[r#"
        leaks: `leaks` is a group of lints; write `allow(leaks)`
    "#]],
    );
    option(
        "color",
        expect![[r#"
            color: unknown option `color`; `#[track]` takes `name`, `skip`, `root`, `max_queries`, `returns_handle`, `allow`, `warn`, `deny`, `crate`, and the limit of a lint, as in `held_idle = "60s"`
        "#]],
    );
    option(
        "3",
        expect![[r#"
        3: expected the name of an option, as in `max_queries = 3`
    "#]],
    );
    option(
        "\"root\"",
        expect![[r#"
        "root": expected the name of an option, as in `max_queries = 3`
    "#]],
    );
}

#[test]
fn flags_take_no_value() {
    option(
        "root = true",
        expect![[r#"
        true: `root` takes no value; write `root`
    "#]],
    );
    option(
        "skip(yes)",
        expect![[r#"
        (yes): `skip` takes no value; write `skip`
    "#]],
    );
    option(
        "returns_handle = \"yes\"",
        expect![[r#"
        "yes": `returns_handle` takes no value; write `returns_handle`
    "#]],
    );
}

#[test]
fn names() {
    option(
        "name",
        expect![[r#"
        name: `name` takes a string; write `name = "exams.find"`
    "#]],
    );
    option(
        "name = find",
        expect![[r#"
        find: `name` takes a string; write `name = "exams.find"`
    "#]],
    );
    option(
        "name = \" \"",
        expect![[r#"
        " ": `name` is empty; write `name = "exams.find"`
    "#]],
    );
    option(
        "name(\"find\")",
        expect![[r#"
        ("find"): `name` takes a string; write `name = "exams.find"`
    "#]],
    );
}

#[test]
fn counts() {
    option(
        "max_queries",
        expect![[r#"
        max_queries: `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = \"3\"",
        expect![[r#"
        "3": `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = 0",
        expect![[r#"
        0: `max_queries` cannot be zero; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = -1",
        expect![[r#"
        -: `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = 1.5",
        expect![[r#"
        1.5: `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = 3u8",
        expect![[r#"
        3u8: `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = 99999999999999999999",
        expect![[r#"
        99999999999999999999: `max_queries` is too large; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries = 3 4",
        expect![[r#"
        3: `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "max_queries(3)",
        expect![[r#"
        (3): `max_queries` takes a whole number; write `max_queries = 3`
    "#]],
    );
    option(
        "n_plus_one = ",
        expect![[r#"
        n_plus_one: `n_plus_one` takes a whole number; write `n_plus_one = 20`
    "#]],
    );
}

#[test]
fn times() {
    option(
        "held_idle = 60",
        expect![[r#"
            60: `held_idle` takes a duration in quotes; write `held_idle = "60s"`
        "#]],
    );
    option(
        "held_idle = \"60\"",
        expect![[r#"
            "60": `held_idle` is not a valid duration: time unit needed, for example 60sec or 60ms; write `held_idle = "60s"`
        "#]],
    );
    option(
        "held_idle = \"soon\"",
        expect![[r#"
            "soon": `held_idle` is not a valid duration: expected number at 0; write `held_idle = "60s"`
        "#]],
    );
    option(
        "held_idle = \"\"",
        expect![[r#"
            "": `held_idle` is not a valid duration: value was empty; write `held_idle = "60s"`
        "#]],
    );
    option(
        "slow_query = \"0ms\"",
        expect![[r#"
        "0ms": `slow_query` cannot be zero; write `slow_query = "200ms"`
    "#]],
    );
    option(
        "slow_query = \"-5s\"",
        expect![[r#"
            "-5s": `slow_query` is not a valid duration: expected number at 0; write `slow_query = "200ms"`
        "#]],
    );
}

#[test]
fn percentages_and_rates() {
    option(
        "pool_pressure = 90",
        expect![[r#"
        90: `pool_pressure` takes a percentage in quotes; write `pool_pressure = "90%"`
    "#]],
    );
    option(
        "pool_pressure = \"90\"",
        expect![[r#"
        "90": `pool_pressure` takes a percentage in quotes; write `pool_pressure = "90%"`
    "#]],
    );
    option(
        "pool_pressure = \"0%\"",
        expect![[r#"
        "0%": `pool_pressure` cannot be zero; write `pool_pressure = "90%"`
    "#]],
    );
    option(
        "pool_pressure = \"101%\"",
        expect![[r#"
            "101%": `pool_pressure` cannot be more than 100%; write `pool_pressure = "90%"`
        "#]],
    );
    option(
        "connection_churn = \"2\"",
        expect![[r#"
            "2": `connection_churn` takes a rate per second in quotes; write `connection_churn = "2/s"`
        "#]],
    );
    option(
        "connection_churn = \"0/s\"",
        expect![[r#"
        "0/s": `connection_churn` cannot be zero; write `connection_churn = "2/s"`
    "#]],
    );
    option(
        "connection_churn = \"2/min\"",
        expect![[r#"
            "2/min": `connection_churn` takes a rate per second in quotes; write `connection_churn = "2/s"`
        "#]],
    );
}

#[test]
fn lints_without_a_limit() {
    option(
        "outlived_scope = \"5s\"",
        expect![[r#"
        outlived_scope: `outlived_scope` has no limit; write `allow(outlived_scope)`, `warn(outlived_scope)` or `deny(outlived_scope)`
    "#]],
    );
    option(
        "pool_deadlock",
        expect![[r#"
        pool_deadlock: `pool_deadlock` has no limit; write `allow(pool_deadlock)`, `warn(pool_deadlock)` or `deny(pool_deadlock)`
    "#]],
    );
    option(
        "nested_acquire = 3",
        expect![[r#"
        nested_acquire: `nested_acquire` has no limit; write `allow(nested_acquire)`, `warn(nested_acquire)` or `deny(nested_acquire)`
    "#]],
    );
}

#[test]
fn levels() {
    option(
        "allow",
        expect![[r#"
        allow: `allow` takes lints in parentheses; write `allow(slow_query)`
    "#]],
    );
    option(
        "allow = \"n_plus_one\"",
        expect![[r#"
        "n_plus_one": `allow` takes lints in parentheses; write `allow(slow_query)`
    "#]],
    );
    option(
        "deny()",
        expect![[r#"
        (): `deny` takes lints in parentheses; write `deny(slow_query)`
    "#]],
    );
    option(
        "allow(reason = \"why\")",
        expect![[r#"
        (reason = "why"): `allow` takes lints in parentheses; write `allow(slow_query)`
    "#]],
    );
    option(
        "warn(leak)",
        expect![[r#"
        leak: unknown lint `leak`; did you mean `leaks`?
    "#]],
    );
    option(
        "warn(unused_variables)",
        expect![[r#"
        unused_variables: unknown lint `unused_variables`; `leash::Lint` lists the lints
    "#]],
    );
    option(
        "allow(n_plus_one = 3)",
        expect![[r#"
            3: `allow` takes lints without values; write `allow(n_plus_one), n_plus_one = 20`
        "#]],
    );
    option(
        "allow(outlived_scope(3))",
        expect![[r#"
            (3): `allow` takes lints without values; write `allow(outlived_scope)`
        "#]],
    );
    option(
        "allow(n_plus_one, reason)",
        expect![[r#"
            reason: `reason` takes a string; write `reason = "why this is intended"`
        "#]],
    );
    option(
        "allow(n_plus_one, reason = \"\")",
        expect![[r#"
            "": `reason` is empty; write `reason = "why this is intended"`
        "#]],
    );
    option(
        "allow(n_plus_one, reason = \"a\", reason = \"b\")",
        expect![[r#"
            reason: `reason` is given twice; remove one
        "#]],
    );
}

#[test]
fn contradictions() {
    option(
        "root, root",
        expect![[r#"
        root: `root` is given twice; remove one
    "#]],
    );
    option(
        "max_queries = 3, query_budget = 4",
        expect![[r#"
            query_budget: `query_budget` sets the same limit as `max_queries`; remove one of the two
        "#]],
    );
    option(
        "allow(slow_query), deny(slow_query)",
        expect![[r#"
        slow_query: `deny(slow_query)` contradicts `allow(slow_query)`; remove one of the two
    "#]],
    );
    option(
        "allow(slow_query, slow_query)",
        expect![[r#"
        slow_query: `allow(slow_query)` is given twice; remove one
    "#]],
    );
    option(
        "skip, root, max_queries = 3",
        expect![[r#"
            root: `root` has no effect beside `skip`; remove one of the two
            max_queries: `max_queries` has no effect beside `skip`; remove one of the two
        "#]],
    );
}

#[test]
fn crate_paths() {
    option(
        "crate",
        expect![[r#"
        crate: `crate` takes the path of sqlx-leash; write `crate = ::sqlx`
    "#]],
    );
    option(
        "crate = \"sqlx\"",
        expect![[r#"
        "sqlx": `crate` takes the path of sqlx-leash; write `crate = ::sqlx`
    "#]],
    );
    option(
        "crate = Vec<u8>",
        expect![[r#"
        Vec: `crate` takes the path of sqlx-leash; write `crate = ::sqlx`
    "#]],
    );
}

#[test]
fn commas() {
    option(
        "root skip",
        expect![[r#"
        skip: expected a comma after `root`; write `root, …`
    "#]],
    );
    option(
        "root,, max_queries = 3",
        expect![[r#"
            ,: unexpected comma; remove it
        "#]],
    );
}

#[test]
fn all_at_once() {
    check(
        r#"#[track(max_query = 3, held_idle = 60)]
        impl Repo {
            #[track(rooot)]
            async fn find(&self) {}
            #[track(allow(slow))]
            async fn save(&self) {}
        }"#,
        expect![[r#"
            max_query: unknown option `max_query`; did you mean `max_queries`?
            60: `held_idle` takes a duration in quotes; write `held_idle = "60s"`
            rooot: unknown option `rooot`; did you mean `root`?
            slow: unknown lint `slow`; `leash::Lint` lists the lints
        "#]],
    );
}

#[test]
fn wrong_items() {
    check(
        "#[track] struct Repo;",
        expect![[r#"
            Repo: `#[track]` cannot be applied to a struct; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] pub enum Repo {}",
        expect![[r#"
            Repo: `#[track]` cannot be applied to an enum; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] const LIMIT: u8 = 3;",
        expect![[r#"
            LIMIT: `#[track]` cannot be applied to a constant; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] use sqlx::Pool;",
        expect![[r#"
            use: `#[track]` cannot be applied to an import; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] mod repo;",
        expect![[r#"
            repo: `#[track]` cannot read a module in another file; apply it to the impl blocks and functions in that file
        "#]],
    );
    check(
        "#[track] extern \"C\" {}",
        expect![[r#"
            extern: `#[track]` cannot be applied to an extern block; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] extern crate std as other;",
        expect![[r#"
            extern: `#[track]` cannot be applied to an extern crate; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] sqlx::migrate!();",
        expect![[r#"
            sqlx: `#[track]` cannot be applied to a macro; apply it to an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module
        "#]],
    );
    check(
        "#[track] async fn find(&self);",
        expect![[r#"
            async: `#[track]` cannot be applied to an item without a body; apply it to the trait, or to the method in the impl
        "#]],
    );
}

#[test]
fn options_in_the_wrong_place() {
    check(
        "#[track(name = \"repo\")] impl Repo {}",
        expect![[r#"
            name: `name` names a single function, but this is an impl block; move it to a method
        "#]],
    );
    check(
        "#[track(name = \"repo\")] mod repo {}",
        expect![[r#"
            name: `name` names a single function, but this is a module; move it to a function
        "#]],
    );
    check(
        "#[track(root, max_queries = 3)] fn sync() {}",
        expect![[r#"
            root: `root` applies only to a function that returns a future; make this one `async`, or remove `root`
            max_queries: `max_queries` applies only to a function that returns a future; make this one `async`, or remove `max_queries`
        "#]],
    );
    check(
        "#[track(returns_handle)] const fn sync() {}",
        expect![[r#"
            returns_handle: `returns_handle` applies only to a function that returns a future; make this one `async`, or remove `returns_handle`
        "#]],
    );
    check(
        "#[track] trait Repo { #[track(root)] async fn find(&self); }",
        expect![[r#"
            root: `root` has no effect on a method without a body; move it to the method in the impl
        "#]],
    );
    check(
        "#[track] impl Repo { #[track = 3] async fn find(&self) {} }",
        expect![[r#"
            track: `track` takes its options in parentheses; write `#[track(root)]`
        "#]],
    );
}

#[track_caller]
fn is_refused(source: &str) -> bool {
    let errors = reported(expand(source, Mode::On));
    assert_eq!(errors, reported(expand(source, Mode::Off)), "{source}");
    errors.contains("does nothing on a fn that is not async")
}

#[test]
fn a_plain_fn() {
    check(
        "#[track] pub fn total(prices: &[u32]) -> u32 { prices.iter().sum() }",
        expect![[r#"
            total: `#[track]` does nothing on a fn that is not async; make `total` an `async fn`, or remove `#[track]`; if it returns a future under another name, write `impl Future<Output = …>` as its type
        "#]],
    );
    for refused in [
        "#[track] fn f() {}",
        "#[track(allow(held_idle))] fn f() -> sqlx::Result<()> { Ok(()) }",
        "#[track(name = \"f\")] fn f(&self) -> &Pool { &self.pool }",
        "#[track] const fn f() -> u8 { 3 }",
        "#[track] fn f() -> Result<Vec<(u8, String)>, Error> { g() }",
        "#[track] fn f() -> Option<Exam> { g().ok() }",
        "#[track] fn f() -> impl Iterator<Item = u8> + Send { g() }",
        "#[track] fn f() -> Box<dyn Error + Send + Sync> { g() }",
        "#[track] fn f() -> ! { panic!(\"no {}\", 3) }",
        "#[track] fn f() -> Exam { Exam { id: 3 } }",
        "#[track] fn f() -> Exam { Exam::of(3) }",
        "#[track] fn f() -> Self { Self::of(g()) }",
        "#[track] fn f() -> bool { let g = |x| x > 3; g(3) }",
        "#[track] fn f() { async fn g() {} }",
        "#[track] impl Repo { #[track(slow_query = \"1s\")] fn f(&self) -> u8 { 3 } }",
        "#[track] mod m { #[track] fn f() {} }",
        "#[track(__last)] #[unheard_of] fn f() {}",
    ] {
        assert!(is_refused(refused), "{refused}");
    }
}

/// In doubt the fn is accepted: the attribute sees names, and a future can have any.
#[test]
fn a_plain_fn_with_something_to_track() {
    for accepted in [
        // Members that the attribute finds in a tracked item.
        "#[track] impl Repo { fn f(&self) -> u8 { 3 } const fn g() {} }",
        "#[track] trait Repo { fn f(&self) -> u8 { 3 } }",
        "#[track] mod m { fn f() {} impl Repo { fn f() {} } }",
        "#[track(__last, __inherited)] #[unheard_of] fn f() {}",
        "#[track(skip)] fn f() {}",
        // What runs later, and call sites.
        "#[track] fn f() { spawn(async move { g().await }); }",
        "#[track] fn f() { g(async |x| x); }",
        "#[track] fn f() -> u8 { block_on(sqlx::query(A).fetch_one(pool)) }",
        "#[track] fn f() { let begun = pool.begin(); g(begun) }",
        "#[track] fn f() { spawn!(async { 1 }); }",
        // Futures and streams under another name.
        "#[track] fn f() -> LoadFuture { self.load() }",
        "#[track] fn f() -> Loading<'_> { self.load() }",
        "#[track] fn f() -> Answer { Box::pin(g()) }",
        "#[track] fn f() -> ready::Ready<u8> { ready(3) }",
        "#[track] fn f() -> JoinHandle<()> { g() }",
        "#[track] fn f() -> Option<BoxFuture<'static, u8>> { None }",
        "#[track] fn f() -> (u8, Pin<Box<Load>>) { g() }",
        "#[track] fn f() -> impl Load { g() }",
        "#[track] fn f() -> Box<dyn Load> { g() }",
        "#[track] fn f() -> impl IntoFuture<Output = u8> { g() }",
        "#[track] fn f() -> impl Fn() -> u8 { g() }",
        "#[track] fn f<F: Future>(it: F) -> F { it }",
        "#[track] fn f() -> fn() -> u8 { g }",
        "#[track] fn f() -> answer!() { g() }",
    ] {
        assert!(!is_refused(accepted), "{accepted}");
    }
}

#[test]
fn the_item_stays() {
    let tokens = expand(
        "#[track(rooot)] impl Repo { #[track(skip)] async fn find(&self) {} }",
        Mode::On,
    );
    let item = "impl Repo { async fn find (& self) { } }";
    assert!(tokens.to_string().ends_with(item), "{tokens}");
}
