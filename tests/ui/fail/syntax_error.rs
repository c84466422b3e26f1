//! Code that is no Rust.

use sqlx::track;

#[track]
async fn find() -> u8 {
    let number = ;
    number
}

fn main() {}
