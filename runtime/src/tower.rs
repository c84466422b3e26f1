//! Requests: each is a root scope, and is counted by its route. A layer for services of `tower`, with and without `track`.

mod body;
mod future;
mod layer;
#[cfg(feature = "board")]
mod page;
mod timing;
#[cfg(not(feature = "track"))]
mod unseen;

#[cfg(feature = "track")]
use crate::lifecycle::request::{Ended, InRequest};
#[cfg(not(feature = "track"))]
use unseen::{Ended, InRequest};

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::{RequestLayer, RequestService};
#[cfg(feature = "board")]
pub use page::{BoardService, PageBody, board_service};
