//! Collects findings for a test, instead of the log.

use std::sync::{Arc, Mutex};

use super::Finding;
use crate::sync;

/// A collector keeps this many findings, so that a test with a finding in each of a million rounds does not end for
/// want of memory.
const KEPT: usize = 10_000;

/// The findings of a scope that a test looks at. Its clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Finding>>>);

impl Collector {
    pub(crate) fn collect(&self, finding: Finding) {
        let mut findings = sync::lock(&self.0);
        if findings.len() < KEPT {
            findings.push(finding);
        }
    }

    /// Removes all findings and returns them.
    pub(crate) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut *sync::lock(&self.0))
    }
}
