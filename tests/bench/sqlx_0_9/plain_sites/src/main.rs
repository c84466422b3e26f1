//! Plain sqlx, with a thousand functions that send a statement.

leash_contender::call_sites! { [] }
