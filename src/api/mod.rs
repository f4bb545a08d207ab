//! The HTTP front door: health.

pub mod health;

pub use health::{Health, router};
