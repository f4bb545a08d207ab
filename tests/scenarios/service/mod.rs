//! The service without SSH: in the test's own process, against the real git, Engine, registry and cluster.
//!
//! Between them, these files call every function of `Service`; `tests/architecture` checks that.

mod adoption_and_deletion;
mod answers;
mod deploys;
mod git_door;
mod in_process;
mod keys;
mod pushes;
mod rights;
