//! What sqlx refuses is refused, in the same words.

#[test]
fn what_sqlx_refuses_is_refused() {
    leash_test_support::refused(&["ui/*.rs"]);
}
