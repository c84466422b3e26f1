//! `outlived_scope` is silent about handles that are dropped, returned, lent, cancelled or exempt.

mod endings;
mod handles;
mod owners;
mod scopes;
mod values;

use crate::common::Tx;

const INSERT: &str = "INSERT INTO exam (name) VALUES ('x')";

trait Unit: Send {
    fn depth(&self) -> u8;
}

struct UnitOfWork {
    tx: Tx,
}

impl Unit for UnitOfWork {
    fn depth(&self) -> u8 {
        let _ = &self.tx;
        1
    }
}
