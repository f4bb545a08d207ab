//! TCP proxies on loopback: one delays, the other one counts bytes.

mod counting;
mod delaying;

pub use counting::CountingProxy;
pub use delaying::DelayingProxy;
