//! What comes out: a table for people, a file for programs.

mod json;
mod table;

pub use json::write;
pub use table::print;
