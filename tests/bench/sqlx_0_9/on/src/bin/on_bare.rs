//! sqlx-leash with `track`, in functions without the attribute.

use contender_on::watched;
use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

leash_contender::contender! { [], conn => &mut **conn, tx => &mut **tx }

fn main() {
    serve();
}
