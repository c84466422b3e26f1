//! Whether the connect options of two pools lead to the same database in the same session.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::Database;

use super::in_memory;
use super::known::{self, OptionsOf};

/// A hash of the database, the user and what else the options set for the session; `None` of a database in memory, and of a
/// driver that is not known.
///
/// The password is no part of it: a program may renew it.
pub(super) fn of<DB: Database>(options: &OptionsOf<DB>) -> Option<u64> {
    if in_memory::database::<DB>(options, None).is_some() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    let endpoint = known::endpoint::<DB>(options);
    (endpoint.address, endpoint.namespace).hash(&mut hasher);
    hash_session(options, &mut hasher)?;
    Some(hasher.finish())
}

fn hash_session(options: &dyn Any, hasher: &mut impl Hasher) -> Option<()> {
    #[cfg(feature = "postgres")]
    if let Some(options) = options.downcast_ref::<sqlx::postgres::PgConnectOptions>() {
        options.get_username().hash(hasher);
        options.get_options().hash(hasher);
        options.get_application_name().hash(hasher);
        return Some(());
    }
    #[cfg(feature = "mysql")]
    if let Some(options) = options.downcast_ref::<sqlx::mysql::MySqlConnectOptions>() {
        options.get_username().hash(hasher);
        options.get_charset().hash(hasher);
        options.get_collation().hash(hasher);
        return Some(());
    }
    #[cfg(feature = "_sqlite")]
    if options.is::<sqlx::sqlite::SqliteConnectOptions>() {
        return Some(());
    }
    #[cfg(feature = "any")]
    if let Some(options) = options.downcast_ref::<sqlx::any::AnyConnectOptions>() {
        let url = &options.database_url;
        (url.scheme(), url.username()).hash(hasher);
        for (key, value) in url.query_pairs().filter(|(key, _)| key != "password") {
            (key, value).hash(hasher);
        }
        return Some(());
    }
    let _ = (options, hasher);
    None
}
