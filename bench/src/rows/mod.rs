//! The rows of the table, a file each.

mod live;
mod p01;
mod p02;
mod p03;
mod p04;
mod p05;
mod p06;
mod p08;
mod p09;
mod p10;
mod p11;
mod p12;

use std::pin::Pin;
use std::time::Instant;

use anyhow::Result;

use crate::row::{Goal, Row, Title};
use crate::world::World;

type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'a>>;

/// Something that gives one or more rows of the table.
struct Source {
    /// The rows that it gives.
    ids: &'static [&'static str],
    measure: for<'a> fn(&'a World) -> Measuring<'a>,
}

/// In the order of measuring: what needs a quiet cluster comes before what fills it.
const SOURCES: &[Source] = &[
    Source { ids: &["P1", "P2", "P8"], measure: |world| Box::pin(live_rows(world)) },
    Source { ids: &["P9"], measure: |world| Box::pin(p09::rows(world)) },
    Source { ids: &["P11"], measure: |world| Box::pin(p11::rows(world)) },
    Source { ids: &["P10"], measure: |world| Box::pin(p10::rows(world)) },
    Source { ids: &["P4"], measure: |world| Box::pin(p04::rows(world)) },
    Source { ids: &["P6"], measure: |world| Box::pin(p06::rows(world)) },
    Source { ids: &["P5"], measure: |world| Box::pin(p05::rows(world)) },
    Source { ids: &["P3", "P3b"], measure: |world| Box::pin(p03::rows(world)) },
    Source { ids: &["P12"], measure: |world| Box::pin(p12::rows(world)) },
];

/// Measures the rows that are wanted, or all; and whether each could be measured. One that cannot says why.
pub async fn all(world: &World, wanted: &[String]) -> (Vec<Row>, bool) {
    let (mut rows, mut whole) = (Vec::new(), true);
    for Source { ids, measure } in SOURCES {
        if !wanted.is_empty() && !wanted.iter().any(|row| ids.contains(&row.as_str())) {
            continue;
        }
        let began = Instant::now();
        eprintln!("-----> {}", ids.join(", "));
        match measure(world).await {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                whole = false;
                eprintln!(" !     {} could not be measured: {error:#}", ids.join(", "));
                let title = |id| Title { id, what: "", beside: "" };
                let reason = format!("it failed: {error:#}");
                rows.extend(ids.iter().map(|id| Row::unmeasured(title(id), Goal::Unstated, &reason)));
            }
        }
        eprintln!("       took {:.0} s", began.elapsed().as_secs_f64());
    }
    rows.sort_by_key(|row| number(&row.id));
    (rows, whole)
}

async fn live_rows(world: &World) -> Result<Vec<Row>> {
    if !world.reaches_services {
        let title = |id| Title { id, what: "a push and what follows", beside: "doing it by hand" };
        let reason =
            "the apps of this cluster have no address on this machine: it takes the cluster that make up makes";
        return Ok(["P1", "P2", "P8"].map(|id| Row::unmeasured(title(id), Goal::Unstated, reason)).into());
    }
    let live = live::measure(world).await?;
    Ok([p01::rows(&live), p02::rows(&live), p08::rows(&live)].concat())
}

/// Where a row stands: P3 before P3b before P10.
fn number(id: &str) -> (u32, String) {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u32::MAX), id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_their_numbers() {
        let mut ids = ["P10", "P3b", "P2", "P3"];
        ids.sort_by_key(|id| number(id));
        assert_eq!(ids, ["P2", "P3", "P3b", "P10"]);
    }
}
