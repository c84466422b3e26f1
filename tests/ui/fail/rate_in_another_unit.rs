//! A rate is per second.

use sqlx::track;

#[track(connection_churn = "2/min")]
async fn find() {}

fn main() {}
