//! sqlx-otel, without a collector.

fn main() {
    contender_otel::serve();
}
