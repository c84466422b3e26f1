//! A statement and a closure.

use sqlx::track;

fn find() {
    #[track]
    let number = 1;
    let closure = #[track]
    async || number;
    drop(closure);
}

fn main() {}
