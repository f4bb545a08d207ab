//! P10: rendering the app chart, as a program beside `helm template`, and inside the process for many apps.

use std::time::Instant;

use anyhow::{Context, Result};
use slipway::chart::{self, Templates, Values};
use slipway::domain::{AppName, ImageRef};

use crate::chart::HelmChart;
use crate::measure::{Effort, rounds};
use crate::program::{command, timed};
use crate::row::{Goal, Ratio, Row, Title};
use crate::world::World;

const PROGRAM: Title = Title { id: "P10", what: "rendering the app chart", beside: "helm template" };
const IN_PROCESS: Title = Title { id: "P10", what: "in process, one of many apps", beside: "helm template" };
const IMAGE: &str = "registry.example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Measures them.
///
/// # Errors
/// If the two charts differ, or a program fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    let chart = HelmChart::write(&world.disk.path().join("chart-p10"))?;
    chart.check_equal(world, "web", IMAGE).await?;
    let apps = if world.quick { 1_000 } else { 10_000 };
    world.size("P10 apps in process", apps);
    let effort = world.effort(Effort::USUAL, Effort::of(1, 5));
    let measured = rounds(effort, async || {
        let mut ours = command(&world.program);
        ours.args(["render", "--app", "web", "--image", IMAGE]);
        Ok([timed(&mut ours).await?, timed(&mut chart.template("web", IMAGE)).await?, in_process(apps)?])
    });
    let [ours, helm, inside] = measured.await?;
    Ok(vec![
        Row::measured(PROGRAM, "s", Ratio::TheirsToOurs, Goal::AtLeast(10.0), &ours, &helm),
        Row::measured(IN_PROCESS, "s", Ratio::TheirsToOurs, Goal::AtLeast(50.0), &inside, &helm)
            .noted(format!("ours is the time of one of {apps} apps, rendered and written as YAML one after the other")),
    ])
}

/// The seconds that one of `apps` apps takes.
fn in_process(apps: u32) -> Result<f64> {
    let templates = Templates::embedded().context("cannot read the templates")?;
    let began = Instant::now();
    for number in 0..apps {
        let app: AppName = format!("app-{number}").parse().context("not a name")?;
        let rendered = chart::render(&templates, &Values::new(app, ImageRef::verbatim(IMAGE)));
        let text = chart::to_yaml(&rendered.context("cannot render")?).context("cannot write YAML")?;
        std::hint::black_box(text);
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(apps))
}
