//! Proxies on loopback: one that takes its time, one that counts.

mod count;
mod delay;

pub use count::Counter;
pub use delay::Delay;
