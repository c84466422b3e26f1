//! sqlx-leash with `track`, without a subscriber.

fn main() {
    contender_on::serve();
}
