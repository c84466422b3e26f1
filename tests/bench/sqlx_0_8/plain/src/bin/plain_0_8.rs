//! Plain sqlx 0.8, nothing listening.

fn main() {
    contender_plain_0_8::serve();
}
