//! A rate has a unit.

use sqlx::track;

#[track(connection_churn = "2")]
async fn find() {}

fn main() {}
