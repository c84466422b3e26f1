//! Plain sqlx 0.8, without a subscriber.

fn main() {
    contender_plain_0_8::serve();
}
