//! Plain sqlx, without a subscriber.

fn main() {
    contender_plain::serve();
}
