//! Test helpers: the gateway under test, apps, clients, and faults that are injected from outside.

pub mod api_proxy;
pub mod app;
pub mod app_in_cluster;
pub mod background;
pub mod base_image;
pub mod certificates;
pub mod chart_rbac;
pub mod client;
pub mod environment;
pub mod gateway;
pub mod gateway_ssh;
pub mod helm;
pub mod history;
pub mod http;
pub mod installation;
pub mod kubectl;
pub mod persistent_volume;
pub mod process;
pub mod pull_secret;
pub mod registry_api;
pub mod remote_engine;
pub mod small_disk;
pub mod tcp_proxy;
pub mod templates;
pub mod test_registry;
pub mod trace_collector;
pub mod wait;
pub mod webhook;

pub use app::App;
pub use base_image::base_image;
pub use gateway::{ADMIN, Gateway};
pub use history::{assert_history, wait_for_history};
pub use installation::Installation;
pub use kubectl::kubectl;
pub use process::{run, try_run};
pub use wait::{eventually, wait_until};
