//! Plain sqlx, nothing listening.

fn main() {
    contender_plain::serve();
}
