//! Attributes that rewrite the item expand before `#[track]`.

use expect_test::{Expect, expect};

use super::{expand, folded};
use crate::model::Mode;

#[track_caller]
fn check(source: &str, expected: Expect) {
    expected.assert_eq(&folded(source));
}

#[test]
fn a_function() {
    check(
        r#"#[track(root, max_queries = 3, allow(slow_query, reason = "why"))]
        /// Documented.
        #[instrument(skip_all)]
        #[cfg_attr(test, allow(unused))]
        async fn find() {}"#,
        expect![[r#"
            /// Documented.
            #[instrument(skip_all)]
            #[cfg_attr(test, allow(unused))]
            #[::sqlx::track(__last, root, query_budget = 3, allow(slow_query, reason = "why"))]
            async fn find() {}
        "#]],
    );
}

#[test]
fn a_method_inherits_the_options_of_its_impl() {
    check(
        r#"#[track(max_queries = 3, held_idle = "60s", deny(leaks), crate = ::db)]
        impl Repo {
            #[track(max_queries = 7, allow(held_idle))]
            #[instrument]
            async fn find(&self) {}
        }"#,
        expect![[r#"
            impl Repo {
                #[instrument]
                #[::db::track(
                    __last,
                    crate = ::db,
                    held_idle = "60s",
                    query_budget = 7,
                    deny(outlived_scope),
                    allow(held_idle),
                    deny(held_too_long),
                    deny(implicit_rollback),
                    deny(session_state)
                )]
                async fn find(&self) {}
            }
        "#]],
    );
}

#[test]
fn tests() {
    check(
        "#[track] #[tokio::test] async fn t() {}",
        expect![[r#"
        #[tokio::test]
        #[::sqlx::track(__last_of_entry)]
        async fn t() {}
    "#]],
    );
    check(
        "#[track] #[test] fn t() {}",
        expect![[r#"
        #[test]
        #[::sqlx::track(__last)]
        fn t() {}
    "#]],
    );
    check(
        "#[track] #[::core::prelude::v1::test] fn t() {}",
        expect![[r#"
            #[::core::prelude::v1::test]
            #[::sqlx::track(__last_of_entry)]
            fn t() {}
        "#]],
    );
}

#[test]
fn an_impl_keeps_the_attributes_of_its_methods() {
    check(
        r#"#[track]
        #[async_trait]
        impl Store for Repo {
            #[track(skip)]
            async fn find(&self) {}
        }"#,
        expect![[r#"
            #[async_trait]
            #[::sqlx::track(__last)]
            impl Store for Repo {
                #[track(skip)]
                async fn find(&self) {}
            }
        "#]],
    );
}

#[test]
fn attributes_that_are_left_at_the_end_stay() {
    check(
        r#"#[track(__last)]
        #[unheard_of]
        async fn find() {}"#,
        expect![[r##"
            #[unheard_of]
            fn find() -> impl ::core::future::Future<Output = ()> {
                leash! {
                    "at 3:18; straight"
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let __leash_value: () = {};
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "##]],
    );
}

#[test]
fn attributes_behind_a_condition() {
    check(
        r#"#[track]
        #[cfg_attr(feature = "trace", instrument)]
        async fn find() {}"#,
        expect![[r##"
            #[cfg_attr(feature = "trace", instrument)]
            #[::sqlx::track(__last)]
            async fn find() {}
        "##]],
    );
}

#[test]
fn inner_attributes_of_a_body() {
    check(
        "#[track]
        #[instrument]
        async fn find() {
            #![allow(unused)]
            call::<{ 1 }>();
        }",
        expect![[r#"
            #[instrument]
            #[allow(unused)]
            #[::sqlx::track(__last)]
            async fn find() {
                call::<{ 1 }>();
            }
        "#]],
    );
}

/// Bodies are set aside before the item is parsed, and are put back where they were.
#[test]
fn braces_that_are_no_bodies() {
    for item in [
        "async fn find () { call :: < { 2 } > () }",
        "impl Exams { const COUNT : usize = { 1 } ; async fn find () { 0 } }",
        "impl Exams { async fn first () -> Row < { 1 } > { 3 } async fn second () { 4 } }",
        "impl Exams { macros ! { } async fn find () { 1 } fn plain () { async { } } }",
        "trait Exams { async fn bodyless () ; async fn first () { 1 } async fn second () { 2 } }",
    ] {
        let off = expand(&format!("#[track] {item}"), Mode::Off).to_string();
        assert_eq!(off, item);
        let skipped = expand(&format!("#[track(skip)] {item}"), Mode::On).to_string();
        assert_eq!(skipped, item);
        let later = expand(&format!("#[track] #[async_trait] {item}"), Mode::On).to_string();
        assert!(later.ends_with(item), "{later}");
    }
}
