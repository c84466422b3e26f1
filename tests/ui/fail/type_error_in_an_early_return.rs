//! An early return of the wrong type.

use sqlx::track;

#[track]
async fn find(early: bool) -> u32 {
    if early {
        return "text";
    }
    1
}

fn main() {}
