//! sqlx-leash with `track`: a thousand call sites.

leash_contender::call_sites! { [#[sqlx::track]] }
