//! What sqlx refuses is refused with `track` as well: on mode accepts no more.

#[test]
fn what_sqlx_refuses_is_refused() {
    trybuild::TestCases::new().compile_fail("ui/refused/*.rs");
}
