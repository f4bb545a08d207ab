//! The report: a table on standard output, `results.json`, and the documentation's table as `results.md`.

mod json;
mod markdown;
mod table;

use std::path::Path;

use anyhow::Result;

use crate::environment::BenchEnv;
use crate::measurement::Measurement;

/// Prints the table, and writes both files to a directory.
pub async fn publish(env: &BenchEnv, rows: &[Measurement], dir: &Path) -> Result<()> {
    table::print(rows);
    markdown::write(rows, &dir.join("results.md"))?;
    let path = dir.join("results.json");
    json::write(env, rows, &path).await?;
    println!("{}", path.display());
    Ok(())
}
