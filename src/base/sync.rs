//! The locks and atomics of what several workers share.
//!
//! Ordinarily these are parking_lot's and the standard library's, named here and nothing more. With the feature
//! `shuttle` they are shuttle's, whose scheduler tests/interleavings leads through many orders of the threads'
//! steps; such a build runs nowhere else. What no step of another thread can meet needs not be taken from here.

#[cfg(feature = "shuttle")]
pub use {
    explored::{Mutex, MutexGuard},
    shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize},
};
#[cfg(not(feature = "shuttle"))]
pub use {
    parking_lot::{Mutex, MutexGuard},
    std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

#[cfg(feature = "shuttle")]
mod explored {
    //! shuttle's lock under parking_lot's signatures.

    use std::sync::PoisonError;

    pub use shuttle::sync::MutexGuard;

    /// A lock whose every use is a step for the scheduler.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        /// The time passes in two steps of others.
        pub fn try_lock_for(&self, _: std::time::Duration) -> Option<MutexGuard<'_, T>> {
            self.try_lock().or_else(|| {
                shuttle::thread::yield_now();
                self.try_lock()
            })
        }
    }
}
