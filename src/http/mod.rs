//! The HTTP server: health checks and metrics.

mod health;
mod server;

pub use health::{Readiness, router};
pub use server::serve;
