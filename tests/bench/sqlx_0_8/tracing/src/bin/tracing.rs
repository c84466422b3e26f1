//! sqlx-tracing, without a subscriber.

fn main() {
    contender_tracing::serve();
}
