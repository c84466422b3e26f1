//! Checks that sqlx is built on the same copy of sqlx-core as the tracked types.
//!
//! Two copies cause a hundred errors about types of the same name. This error comes first, and says how to fix it.

#[diagnostic::on_unimplemented(
    message = "this build has two copies of sqlx-core, one below sqlx and one below sqlx-leash",
    label = "not sqlx's own",
    note = "sqlx-leash 0.9 needs sqlx and sqlx-core of one release of 0.9, from one source; `cargo tree -i sqlx-core` shows who brings which",
    note = "where `[patch]` replaces sqlx, let it replace sqlx-core, and sqlx's drivers, from the same source"
)]
trait IsSqlxs<T> {}

impl<T> IsSqlxs<T> for T {}

const fn is_one<Ours: IsSqlxs<Sqlxs>, Sqlxs>() {}

const _: () = is_one::<sqlx_core::Error, sqlx::Error>();
