//! A cache that never serves what was read before a write ended.
//!
//! moka keeps the values. What it cannot know is kept beside it: which keys are being loaded or written ([`keys`]), and
//! how long what was loaded is valid ([`epoch`]). No lock is held while a value is looked up, loaded, kept or dropped, so
//! each of them may happen between any two steps of the others. An epoch makes that harmless: a value belongs to the
//! epoch in which its load began, a write ends the epoch, and a value of an epoch that is over is not served, whenever it
//! came into the store.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

mod epoch;
mod keys;
mod load;
mod source;
mod stats;
mod step;
mod store;
#[cfg(test)]
mod tests;
mod writing;

use epoch::Epochs;
use keys::{Keys, OwnLoad, Turn};
use load::End;
use source::Source;
pub use stats::CacheStats;
use stats::Counters;
use step::step;
use store::{Kept, Store};
pub use writing::Writing;

/// A caller that has waited for this many loads which then failed loads for itself, so that callers do not queue up one
/// behind the other while the database is down.
const FAILED_WAITS: u32 = 2;

/// A cache of what loaders return, by key. Clones share one cache.
///
/// It keeps a number of values, each for a time, and gives up the one that was not read for the longest time first. It
/// behaves the same with and without `track`.
///
/// A value that was read before a write of its key ended is never served afterwards, whatever runs at the same time. For
/// this, whoever writes says so: by [`writing`](Self::writing) around the transaction, or by [`forget`](Self::forget) or
/// [`forget_all`](Self::forget_all) after it. The page [`caching`](crate::leash::guide::caching) shows how, and says what
/// the cache does not do.
///
/// ```
/// use std::time::Duration;
/// use sqlx_leash::{SqlitePool, leash::cache::Cached};
///
/// struct ExamRepo {
///     pool: SqlitePool,
///     names: Cached<i64, String>,
/// }
///
/// impl ExamRepo {
///     async fn name(&self, id: i64) -> sqlx_leash::Result<String> {
///         let load = || sqlx_leash::query_scalar("SELECT name FROM exam WHERE id = ?").bind(id).fetch_one(&self.pool);
///         self.names.get(&id, load).await
///     }
///
///     async fn rename(&self, id: i64, name: &str) -> sqlx_leash::Result<()> {
///         let _writing = self.names.writing(&id);
///         let mut tx = self.pool.begin().await?;
///         sqlx_leash::query("UPDATE exam SET name = ? WHERE id = ?").bind(name).bind(id).execute(&mut *tx).await?;
///         tx.commit().await
///     }
/// }
///
/// # sqlx_leash::__rt::test_block_on(async {
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// sqlx_leash::query("CREATE TABLE exam (id INTEGER PRIMARY KEY, name TEXT)").execute(&pool).await?;
/// sqlx_leash::query("INSERT INTO exam VALUES (1, 'OCT')").execute(&pool).await?;
///
/// let exams = ExamRepo { pool, names: Cached::new(1_000, Duration::from_secs(30 * 60)) };
/// for _ in 0..50 {
///     assert_eq!(exams.name(1).await?, "OCT");
/// }
/// exams.rename(1, "MRT").await?;
/// assert_eq!(exams.name(1).await?, "MRT");
///
/// let stats = exams.names.stats();
/// assert_eq!((stats.hits, stats.misses), (49, 2));
/// # sqlx_leash::Result::<()>::Ok(())
/// # }).unwrap();
/// ```
///
/// # Locking
///
/// No lock is held while a loader runs or is waited for, nor while a value is cloned. A read that finds no value, and the
/// begin and the end of a write, lock one of 32 shards of the keys in use for a few instructions. The key's `Hash` and `Eq`
/// run in that time. A value may be dropped while moka tidies up, so its destructor must not call the cache.
pub struct Cached<K, V> {
    shared: Arc<Shared<K, V>>,
}

/// What the clones of a cache, and its guards, share.
struct Shared<K, V> {
    store: Store<K, V>,
    keys: Keys<K, V>,
    epochs: Epochs,
    counters: Counters,
}

/// What a read does.
enum Answer<'a, K, V, Q>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    Value(Arc<Kept<V>>),
    /// Loads, for all that come meanwhile.
    Load(OwnLoad<'a, K, V, Q>),
    /// Loads for itself.
    LoadAlone,
}

impl<K, V> Cached<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache that keeps at most `capacity` values, each for at most `time_to_live` after it was loaded.
    ///
    /// If either is zero, it keeps nothing, and still loads a key once for all that ask at the same time.
    pub fn new(capacity: u64, time_to_live: Duration) -> Self {
        let shared = Shared {
            store: Store::new(capacity, time_to_live),
            keys: Keys::new(),
            epochs: Epochs::default(),
            counters: Counters::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns the value of the key: the one that is kept, else the one that `loader` returns, which is then kept.
    ///
    /// Callers that ask for a key while it is being loaded wait for that load, and are handed its value. While the key is
    /// being [written](Self::writing), every caller runs its own loader, and nothing is kept.
    ///
    /// The value is cloned for every caller. Put a large one into an `Arc`.
    ///
    /// The loader must read what is committed now, so it must not read in a transaction that began earlier. It must not
    /// get the same key of the same cache: that would wait for itself. A caller that holds a connection may wait here for
    /// a loader that waits for a permit.
    ///
    /// # Errors
    ///
    /// The loader's. An error is not kept, and not handed to other callers: one of those who wait runs its own loader
    /// then. If that fails as well, all of them do.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the loader's. If others wait for it, one of them runs its own loader. The same holds
    /// where a loader panics. A future that is neither dropped nor polled, as in a branch that is set aside, makes those who
    /// wait for its load wait on.
    pub async fn get<Q, L, F, E>(&self, key: &Q, loader: L) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        L: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        let shared = &*self.shared;
        let own = match shared.ask(key).await {
            Answer::Value(kept) => {
                shared.counters.hits.count();
                source::count_saved(kept.source);
                return Ok(kept.value.clone());
            }
            Answer::Load(own) => Some(own),
            Answer::LoadAlone => None,
        };
        let (result, source) = source::noting(pin!(loader())).await;
        if result.is_ok() {
            shared.counters.loads.count();
        }
        match (&result, own) {
            (Ok(value), Some(own)) => shared.keep(own, value.clone(), source),
            (Err(_), Some(own)) => own.failed(),
            (_, None) => {}
        }
        result
    }

    /// Declares a write of the key, which lasts until the guard is dropped. Until then, readers bypass the key: each runs
    /// its own loader, and nothing is kept.
    ///
    /// Declare it before the transaction begins: locals are dropped in reverse order, so the transaction ends first, be it
    /// by a commit, a rollback, `?`, a panic or cancellation.
    ///
    /// A write of several keys takes a guard for each. Guards of the same key do not wait for each other.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sqlx_leash::{SqlitePool, leash::cache::Cached};
    /// # async fn rename(pool: &SqlitePool, names: &Cached<i64, String>, id: i64, name: &str) -> sqlx_leash::Result<()> {
    /// let _writing = names.writing(&id);
    /// let mut tx = pool.begin().await?;
    /// sqlx_leash::query("UPDATE exam SET name = ? WHERE id = ?").bind(name).bind(id).execute(&mut *tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    pub fn writing<Q>(&self, key: &Q) -> Writing<K, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (key_of_guard, key_in_use) = (key.to_owned(), key.to_owned());
        self.shared.keys.begin_write(key_in_use);
        let writing = Writing::begun(Arc::clone(&self.shared), key_of_guard);
        self.shared.store.remove(key);
        writing
    }

    /// Forgets the value of the key, as at the end of a write: what is being loaded meanwhile is not kept, and served to
    /// nobody who asks after this call.
    ///
    /// This is for a write that is over. A reader between the write's commit and this call may be served the old value;
    /// [`writing`](Self::writing) leaves no such gap.
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        drop(self.writing(key));
    }

    /// Forgets the values of all keys, in the same way.
    pub fn forget_all(&self) {
        self.shared.epochs.end_all();
        self.shared.store.remove_all();
    }

    /// What it has done since it was made, and the number of values that it keeps.
    pub fn stats(&self) -> CacheStats {
        let entries = self.shared.store.len();
        self.shared.counters.read(entries)
    }
}

impl<K, V> Shared<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Finds a value, or out who loads it.
    async fn ask<'a, Q>(&'a self, key: &'a Q) -> Answer<'a, K, V, Q>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut failed = 0;
        loop {
            if let Some(kept) = self.find(key) {
                return Answer::Value(kept);
            }
            let load = match self.keys.turn(key.to_owned(), &self.epochs) {
                Turn::Wait(load) => load,
                Turn::Load(load) => {
                    let own = OwnLoad::new(&self.keys, key, load);
                    // Another load may have ended since the key was looked up.
                    if self.find(key).is_some() {
                        continue;
                    }
                    self.counters.misses.count();
                    return Answer::Load(own);
                }
                Turn::Bypass => {
                    self.counters.refusals.count();
                    return Answer::LoadAlone;
                }
            };
            match load.ended().await {
                End::Loaded(kept) if self.is_valid(&kept) => return Answer::Value(kept),
                End::Loaded(_) | End::GivenUp => {}
                End::Failed => failed += 1,
            }
            if failed == FAILED_WAITS {
                self.counters.misses.count();
                return Answer::LoadAlone;
            }
        }
    }

    /// The value that is kept and valid.
    fn find<Q>(&self, key: &Q) -> Option<Arc<Kept<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.get(key).filter(|kept| self.is_valid(kept))
    }

    fn is_valid(&self, kept: &Kept<V>) -> bool {
        step();
        self.epochs.is_current(&kept.epoch)
    }

    /// Keeps what was loaded, then ends the load.
    fn keep<Q>(&self, own: OwnLoad<'_, K, V, Q>, value: V, source: Source)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let kept = Arc::new(Kept {
            value,
            epoch: Arc::clone(&own.load.epoch),
            source,
        });
        let key = own.key.to_owned();
        self.store.keep(key, Arc::clone(&kept), &self.epochs);
        own.loaded(kept);
    }
}

impl<K, V> Clone for Cached<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

// Without keys and values.
impl<K, V> fmt::Debug for Cached<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("Cached").field("stats", &stats).finish()
    }
}
