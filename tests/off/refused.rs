//! What sqlx refuses is refused, in the same words.

#[test]
fn what_sqlx_refuses_is_refused() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
