//! The keys that are being loaded or written.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use super::epoch::Epochs;
use super::load::{End, Load};
use super::step::step;
use super::store::Kept;
use crate::sync;

/// Keys of different shards do not wait for each other.
const SHARDS: usize = 32;

/// A shard that is empty keeps room for this many keys.
const FEW: usize = 16;

type Shard<K, V> = HashMap<K, InUse<V>, RandomState>;

/// The keys that are being loaded or written, and no other.
pub(super) struct Keys<K, V> {
    hasher: RandomState,
    shards: [Mutex<Shard<K, V>>; SHARDS],
}

/// What is being done with a key.
struct InUse<V> {
    /// The load that further callers wait for.
    load: Option<Arc<Load<V>>>,
    /// While there is one, no load begins that others wait for.
    writers: usize,
}

/// What a caller that found no value may do.
pub(super) enum Turn<V> {
    /// Load for itself, because the key is being written.
    Bypass,
    /// Load, for all that come meanwhile.
    Load(Arc<Load<V>>),
    /// Wait for a load.
    Wait(Arc<Load<V>>),
}

impl<K: Hash + Eq, V> Keys<K, V> {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::with_hasher(hasher.clone()))),
            hasher,
        }
    }

    fn shard<Q>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        let number = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64);
        step();
        sync::lock(&self.shards[number.expect("BUG: there are few shards")])
    }

    /// Decides what a caller that has found no value for the key does. Begins its load where that is to load.
    pub(super) fn turn(&self, key: K, epochs: &Epochs) -> Turn<V> {
        let mut shard = self.shard(&key);
        let in_use = shard.get_mut(&key);
        match &in_use {
            Some(InUse { writers: 1.., .. }) => return Turn::Bypass,
            // Not after all keys were written: what it returns may be older.
            Some(InUse {
                load: Some(load), ..
            }) if epochs.is_current(&load.epoch) => return Turn::Wait(Arc::clone(load)),
            _ => {}
        }
        let load = Arc::new(Load::new(epochs.begin()));
        let running = Some(Arc::clone(&load));
        if let Some(in_use) = in_use {
            in_use.load = running;
        } else {
            let writers = 0;
            let load = running;
            shard.insert(key, InUse { load, writers });
        }
        Turn::Load(load)
    }

    /// Begins a write of the key: the load that others wait for becomes none.
    pub(super) fn begin_write(&self, key: K) {
        let mut shard = self.shard(&key);
        let overtaken = if let Some(in_use) = shard.get_mut(&key) {
            in_use.writers += 1;
            in_use.load.take()
        } else {
            let (load, writers) = (None, 1);
            shard.insert(key, InUse { load, writers });
            None
        };
        if let Some(load) = &overtaken {
            load.epoch.end();
        }
        drop(shard);
        if let Some(load) = overtaken {
            load.end(End::GivenUp);
        }
    }

    /// Ends a write of the key.
    pub(super) fn end_write<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.change(key, |in_use| in_use.writers -= 1);
    }

    /// Ends a load of the key, unless another has taken its place.
    fn end_load<Q>(&self, key: &Q, ended: &Arc<Load<V>>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.change(key, |in_use| {
            in_use.load.take_if(|load| Arc::ptr_eq(load, ended));
        });
    }

    /// Changes what is being done with a key. A key with which nothing is done is removed.
    fn change<Q>(&self, key: &Q, change: impl FnOnce(&mut InUse<V>))
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(key);
        let Some(in_use) = shard.get_mut(key) else {
            return;
        };
        change(in_use);
        if in_use.load.is_some() || in_use.writers > 0 {
            return;
        }
        let unused = shard.remove_entry(key);
        // Many keys may have been in use at once. Their memory is not kept for ever.
        if shard.is_empty() {
            shard.shrink_to(FEW);
        }
        drop(shard);
        // A key's destructor is the program's code, which runs without the lock.
        drop(unused);
    }

    /// The number of keys in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| sync::lock(shard).len()).sum()
    }
}

/// The caller that loads a key for all that come meanwhile. Dropping it ends the load.
pub(super) struct OwnLoad<'a, K, V, Q>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    keys: &'a Keys<K, V>,
    pub(super) key: &'a Q,
    pub(super) load: Arc<Load<V>>,
    end: End<V>,
}

impl<'a, K, V, Q> OwnLoad<'a, K, V, Q>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    pub(super) fn new(keys: &'a Keys<K, V>, key: &'a Q, load: Arc<Load<V>>) -> Self {
        let end = End::GivenUp;
        Self {
            keys,
            key,
            load,
            end,
        }
    }

    /// Hands the value to those who wait. It must be kept already, because nobody waits for this load from now on.
    pub(super) fn loaded(mut self, kept: Arc<Kept<V>>) {
        self.end = End::Loaded(kept);
    }

    /// Lets one of those who wait load.
    pub(super) fn failed(mut self) {
        self.end = End::Failed;
    }
}

impl<K, V, Q> Drop for OwnLoad<'_, K, V, Q>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    fn drop(&mut self) {
        self.keys.end_load(self.key, &self.load);
        self.load.end(mem::replace(&mut self.end, End::GivenUp));
    }
}
