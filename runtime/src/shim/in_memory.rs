//! Which connect options lead to a database that is not in a file, and which connections share it.
//!
//! sqlx has no getters for SQLite's flags. Its URL of the options names them.

use std::any::Any;

use sqlx::Database;

use super::known::OptionsOf;
use crate::pool_state::in_memory::InMemory;

/// The in-memory database that the options lead to. `url` is what they were made from, if the pool was given a URL.
pub(super) fn database<DB: Database>(
    options: &OptionsOf<DB>,
    url: Option<&str>,
) -> Option<InMemory> {
    let options: &dyn Any = options;
    #[cfg(feature = "_sqlite")]
    if let Some(options) = options.downcast_ref::<sqlx::sqlite::SqliteConnectOptions>() {
        return sqlite::of_url(options, url).or_else(|| sqlite::of_options(options));
    }
    #[cfg(all(feature = "any", feature = "_sqlite"))]
    if let Some(options) = options.downcast_ref::<sqlx::any::AnyConnectOptions>() {
        return sqlite::of_any(&options.database_url);
    }
    let _ = (options, url);
    None
}

#[cfg(feature = "_sqlite")]
pub(super) mod sqlite {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::InMemory;

    /// The database that `options`, made from `url`, have to themselves.
    pub(super) fn of_url(options: &SqliteConnectOptions, url: Option<&str>) -> Option<InMemory> {
        let again: SqliteConnectOptions = url?.parse().ok()?;
        let is_shared = of_options(options) == Some(InMemory::Named);
        (is_shared && is_renamed(options, &again)).then_some(InMemory::OfPool)
    }

    /// The database of a pool for any database: each connect reads the URL anew.
    #[cfg(feature = "any")]
    pub(super) fn of_any(url: &sqlx_core::Url) -> Option<InMemory> {
        if url.scheme() != "sqlite" {
            return None;
        }
        let one = SqliteConnectOptions::from_url(url).ok()?;
        let other = SqliteConnectOptions::from_url(url).ok()?;
        if is_renamed(&one, &other) {
            return Some(InMemory::OfConnection);
        }
        of_options(&one)
    }

    /// Whether sqlx has named two databases: it names a new one each time that it reads `sqlite::memory:`.
    fn is_renamed(one: &SqliteConnectOptions, other: &SqliteConnectOptions) -> bool {
        one.get_filename() != other.get_filename()
    }

    /// The database that a connection with these options opens.
    pub(in crate::shim) fn of_options(options: &SqliteConnectOptions) -> Option<InMemory> {
        let flags = Flags::of(options);
        let file = options.get_filename().to_str()?;
        match file.strip_prefix("file:") {
            Some(uri) if !flags.is_quoted => flags.overridden_by(uri),
            _ => flags.database(file, flags.is_quoted),
        }
    }

    /// How SQLite opens a file.
    struct Flags {
        in_memory: bool,
        shared_cache: bool,
        vfs: Option<String>,
        /// sqlx passes the name on quoted, in a URI of its own.
        is_quoted: bool,
    }

    impl Flags {
        fn of(options: &SqliteConnectOptions) -> Self {
            // sqlx panics on some names that are no part of a valid URL, such as `:memory:`.
            let url = options.clone().filename("name").to_url_lossy();
            let of = |key| {
                let mut pairs = url.query_pairs();
                pairs.find_map(|(name, value)| (name == key).then(|| value.into_owned()))
            };
            let vfs = of("vfs");
            Self {
                in_memory: of("mode").as_deref() == Some("memory"),
                shared_cache: of("cache").as_deref() == Some("shared"),
                is_quoted: vfs.is_some() || of("immutable").is_some(),
                vfs,
            }
        }

        /// The database of a URI, without its `file:`. Its parameters go before the flags: <https://www.sqlite.org/uri.html>.
        fn overridden_by(mut self, uri: &str) -> Option<InMemory> {
            let uri = uri.split('#').next().unwrap_or_default();
            let (path, parameters) = uri.split_once('?').unwrap_or((uri, ""));
            for parameter in parameters.split('&') {
                match parameter.split_once('=') {
                    Some(("mode", mode)) => self.in_memory = mode == "memory",
                    Some(("cache", cache)) => self.shared_cache = cache == "shared",
                    Some(("vfs", vfs)) => self.vfs = Some(vfs.to_owned()),
                    _ => {}
                }
            }
            self.database(path, true)
        }

        fn database(&self, name: &str, is_of_uri: bool) -> Option<InMemory> {
            let is_in_memory = self.in_memory || name == ":memory:";
            match self.vfs.as_deref() {
                Some("memdb") if name.starts_with('/') => Some(InMemory::Named),
                Some("memdb") => Some(InMemory::OfConnection),
                _ if name.is_empty() && !is_in_memory => Some(InMemory::Temporary),
                _ if !is_in_memory => None,
                // SQLite shares an in-memory database by the name that a URI gives it, and by no other.
                _ if self.shared_cache && is_of_uri && !name.is_empty() => Some(InMemory::Named),
                _ => Some(InMemory::OfConnection),
            }
        }
    }
}
