//! sqlx-otel, nothing listening.

fn main() {
    contender_otel::serve();
}
