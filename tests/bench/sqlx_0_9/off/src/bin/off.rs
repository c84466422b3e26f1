//! sqlx-leash without `track`.

fn main() {
    contender_off::serve();
}
