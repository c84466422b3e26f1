//! sqlx-leash with `track`, nothing listening.

fn main() {
    contender_on::serve();
}
