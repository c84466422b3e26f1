//! Where a test collects findings, in place of the log.

use std::sync::{Arc, Mutex};

use super::Finding;
use crate::sync;

/// The findings of a scope that a test looks at. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Finding>>>);

impl Collector {
    pub(crate) fn collect(&self, finding: Finding) {
        sync::lock(&self.0).push(finding);
    }

    /// Everything that was collected; nothing is left.
    pub(crate) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut *sync::lock(&self.0))
    }
}
