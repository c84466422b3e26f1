//! std's locks, with poisoning ignored.
//!
//! No code of the user's runs while one of these locks is held, so a panic never interrupts a change of the guarded
//! value.

use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "track")]
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(any(feature = "track", feature = "board"))]
use std::{sync::Condvar, time::Duration};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "track")]
pub(crate) fn owned<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "track")]
pub(crate) fn get_mut<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "track")]
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "track")]
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while `condition` holds, up to `limit` if there is one.
#[cfg(any(feature = "track", feature = "board"))]
pub(crate) fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Option<Duration>,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    match limit {
        None => condvar
            .wait_while(guard, condition)
            .unwrap_or_else(PoisonError::into_inner),
        Some(limit) => {
            condvar
                .wait_timeout_while(guard, limit, condition)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    }
}
