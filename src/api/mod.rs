//! The HTTP front door: health.

pub mod health;
mod server;

pub use health::{Health, router};
pub use server::serve;
