//! What comes out: a table for people, a file for programs, and the table for the documentation.

mod json;
mod markdown;
mod table;

use std::path::Path;

use anyhow::Result;

use crate::row::Row;
use crate::world::World;

/// Prints the table, and writes `results.json` and `results.md` into a directory.
///
/// # Errors
/// If they cannot be written.
pub async fn all(world: &World, rows: &[Row], dir: &Path) -> Result<()> {
    table::print(rows);
    markdown::write(rows, &dir.join("results.md"))?;
    let path = dir.join("results.json");
    json::write(world, rows, &path).await?;
    println!("{}", path.display());
    Ok(())
}
