//! What the scenarios are written with.

pub mod api;
pub mod app;
pub mod certificates;
pub mod collector;
pub mod engine;
pub mod gateway;
pub mod installed;
pub mod least_rights;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod templates;
pub mod wait;
pub mod webhook;
pub mod world;

pub use app::App;
pub use gateway::Gateway;
pub use installed::Installed;
pub use process::{run, try_run};
pub use wait::eventually;
