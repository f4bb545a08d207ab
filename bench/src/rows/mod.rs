//! The benchmarks, one file for each row (or group of rows) of the table.

mod apply;
mod layer_push;
mod login;
mod many_keys;
mod memory;
mod own_cost;
mod push;
mod push_samples;
mod ready_latency;
mod receive;
mod render;
mod scale;

use std::pin::Pin;
use std::time::Instant;

use anyhow::Result;

use crate::environment::BenchEnv;
use crate::measurement::{Goal, Measurement, Title};

type BenchmarkFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Measurement>>> + 'a>>;

struct Benchmark {
    /// The rows that it measures.
    ids: &'static [&'static str],
    measure: for<'a> fn(&'a BenchEnv) -> BenchmarkFuture<'a>,
}

/// In the order of execution: benchmarks that need a quiet cluster come before those that fill it.
const BENCHMARKS: &[Benchmark] = &[
    Benchmark { ids: &["P1", "P2", "P8"], measure: |env| Box::pin(measure_pushes(env)) },
    Benchmark { ids: &["P9"], measure: |env| Box::pin(apply::measure(env)) },
    Benchmark { ids: &["P11"], measure: |env| Box::pin(layer_push::measure(env)) },
    Benchmark { ids: &["P10"], measure: |env| Box::pin(render::measure(env)) },
    Benchmark { ids: &["P4"], measure: |env| Box::pin(login::measure(env)) },
    Benchmark { ids: &["P6"], measure: |env| Box::pin(memory::measure(env)) },
    Benchmark { ids: &["P5"], measure: |env| Box::pin(many_keys::measure(env)) },
    Benchmark { ids: &["P3", "P3b"], measure: |env| Box::pin(receive::measure(env)) },
    Benchmark { ids: &["P12"], measure: |env| Box::pin(scale::measure(env)) },
];

/// Measures the selected rows, or all of them, and returns whether all could be measured. The note of a failed row has the
/// reason.
pub async fn measure(env: &BenchEnv, selected: &[String]) -> (Vec<Measurement>, bool) {
    let (mut rows, mut complete) = (Vec::new(), true);
    for Benchmark { ids, measure } in BENCHMARKS {
        if !selected.is_empty() && !selected.iter().any(|row| ids.contains(&row.as_str())) {
            continue;
        }
        let began = Instant::now();
        eprintln!("-----> {}", ids.join(", "));
        match measure(env).await {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                complete = false;
                eprintln!(" !     {} could not be measured: {error:#}", ids.join(", "));
                let title = |id| Title { id, what: "", baseline: "" };
                let reason = format!("the benchmark failed: {error:#}");
                rows.extend(ids.iter().map(|id| Measurement::unmeasured(title(id), Goal::Unstated, &reason)));
            }
        }
        eprintln!("       took {:.0} s", began.elapsed().as_secs_f64());
    }
    rows.sort_by_key(|row| sort_key(&row.id));
    (rows, complete)
}

async fn measure_pushes(env: &BenchEnv) -> Result<Vec<Measurement>> {
    if !env.reaches_services {
        let title = |id| Title { id, what: "a push and what follows", baseline: "doing it by hand" };
        let reason = "this machine cannot connect to the cluster's Services; use the cluster that `make up` starts";
        return Ok(["P1", "P2", "P8"].map(|id| Measurement::unmeasured(title(id), Goal::Unstated, reason)).into());
    }
    let samples = push_samples::collect(env).await?;
    Ok([push::measurements(&samples), own_cost::measurements(&samples), ready_latency::measurements(&samples)].concat())
}

/// Sorts P3 before P3b before P10.
fn sort_key(id: &str) -> (u32, String) {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u32::MAX), id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_number() {
        let mut ids = ["P10", "P3b", "P2", "P3"];
        ids.sort_by_key(|id| sort_key(id));
        assert_eq!(ids, ["P2", "P3", "P3b", "P10"]);
    }
}
