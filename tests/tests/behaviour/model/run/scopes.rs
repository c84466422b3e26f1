//! A scope of each kind, and the steps inside it.

use std::cell::Cell;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use crate::common::{Tx, poll_until};
use crate::model::program::{Scope, Step};
use futures::FutureExt;
use sqlx::leash::{self, ScopeExt};
use sqlx::track;

use super::{Differs, World, run};

/// The result of the steps in a tracked function. The function stores it here, because its return type decides whether
/// it may hold a handle.
type Outcome = Mutex<Result<(), Differs>>;

#[track]
async fn cannot_hold(world: &World, steps: &[Step], outcome: &Outcome) {
    let ran = run(world, steps).await;
    *outcome.lock().unwrap() = ran;
}

#[track]
async fn may_hold(world: &World, steps: &[Step], outcome: &Outcome) -> Option<Tx> {
    let ran = run(world, steps).await;
    *outcome.lock().unwrap() = ran;
    None
}

#[track]
async fn given_up(world: &World, steps: &[Step], outcome: &Outcome, here: &Cell<bool>) {
    let ran = run(world, steps).await;
    *outcome.lock().unwrap() = ran;
    here.set(true);
    pending::<()>().await;
}

#[track]
async fn unwound(world: &World, steps: &[Step], outcome: &Outcome) {
    let ran = run(world, steps).await;
    *outcome.lock().unwrap() = ran;
    // Unwinds like a panic, without printing.
    std::panic::resume_unwind(Box::new("as modelled"));
}

fn full_name(function: &str) -> String {
    format!("{}::{function}", module_path!())
}

impl World {
    pub(super) async fn scope(&self, scope: Scope, steps: &[Step]) -> Result<(), Differs> {
        let outcome = Outcome::new(Ok(()));
        let here = Cell::new(false);
        let enter = |name: String| self.model.borrow_mut().enter(name);
        match scope {
            Scope::ByHand => {
                enter("by hand".to_owned());
                leash::scope("by hand", run(self, steps)).await?;
                self.model.borrow_mut().leave_handing_up();
            }
            Scope::ByHandCancelled => {
                enter("by hand".to_owned());
                let scope = leash::scope("by hand", async {
                    let ran = run(self, steps).await;
                    *outcome.lock().unwrap() = ran;
                    here.set(true);
                    pending::<()>().await;
                });
                poll_until(scope, || here.get()).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::Carried => {
                let is_carried = self.model.borrow().is_in_scope();
                if is_carried {
                    let name = self.model.borrow().scope();
                    enter(name);
                }
                run(self, steps).in_current_scope().await?;
                if is_carried {
                    self.model.borrow_mut().leave_handing_up();
                }
            }
            Scope::CannotHold => {
                enter(full_name("cannot_hold"));
                cannot_hold(self, steps, &outcome).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::MayHold => {
                enter(full_name("may_hold"));
                may_hold(self, steps, &outcome).await;
                self.model.borrow_mut().leave_handing_up();
            }
            Scope::Cancelled => {
                enter(full_name("given_up"));
                poll_until(given_up(self, steps, &outcome, &here), || here.get()).await;
                self.model.borrow_mut().leave_holding_nothing();
            }
            Scope::Unwound => {
                enter(full_name("unwound"));
                let caught = AssertUnwindSafe(unwound(self, steps, &outcome))
                    .catch_unwind()
                    .await;
                assert!(caught.is_err());
                self.model.borrow_mut().leave_holding_nothing();
            }
        }
        outcome.into_inner().unwrap()
    }
}
