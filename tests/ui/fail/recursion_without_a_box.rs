//! A future within itself.

use sqlx::track;

#[track]
async fn countdown(number: u8) -> u8 {
    if number == 0 {
        return 0;
    }
    countdown(number - 1).await
}

fn main() {}
