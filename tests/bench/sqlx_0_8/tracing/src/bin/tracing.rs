//! sqlx-tracing, nothing listening.

fn main() {
    contender_tracing::serve();
}
