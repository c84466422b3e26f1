//! sqlx-leash with `track`, with a thousand call sites.

leash_contender::call_sites! { [#[sqlx::track]] }
