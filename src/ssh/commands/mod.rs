//! The commands, one file each: arguments, help, and the printing of the service's answer.
//!
//! A new command is a file with a struct that implements `command::Command`, and a line in `list`.

mod apps;
mod apps_adopt;
mod apps_destroy;
mod arguments;
mod builds_list;
mod builds_output;
mod command;
mod deploy_branch;
mod diff;
mod doctor;
mod error;
mod fetch;
mod git_io;
mod help;
mod list;
mod receive_pack;
mod redeploy;
mod releases;
mod releases_show;
mod rollback;
mod runner;
mod spec;
mod upload_key;

pub use list::AppCommand;
pub use runner::CommandRunner;
#[cfg(test)]
pub use upload_key::UploadKey;
