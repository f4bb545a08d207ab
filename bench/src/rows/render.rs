//! P10: rendering the app chart, with `slipway render` and in process for many apps. Baseline: `helm template`.

use std::time::Instant;

use anyhow::{Context, Result};
use slipway::chart::{self, Templates, Values};
use slipway::domain::{AppName, ImageRef};

use crate::command::run_timed;
use crate::environment::BenchEnv;
use crate::helm_chart::HelmChart;
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::sampling::{SamplePlan, sample_rounds};

const PROGRAM: Title = Title { id: "P10", what: "rendering the app chart", baseline: "helm template" };
const IN_PROCESS: Title = Title { id: "P10", what: "in process, one of many apps", baseline: "helm template" };
const IMAGE: &str = "registry.example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    let chart = HelmChart::write(env, &env.disk.path().join("chart-p10"))?;
    chart.check_same_objects(env, "web", IMAGE).await?;
    let apps = if env.quick { 1_000 } else { 10_000 };
    env.record_size("P10 apps in process", apps);
    let plan = env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 5));
    let measured = sample_rounds(plan, async || {
        let mut ours = env.render_command("web", IMAGE);
        Ok([run_timed(&mut ours).await?, run_timed(&mut chart.template("web", IMAGE)).await?, render_in_process(apps)?])
    });
    let [ours, helm, in_process] = measured.await?;
    Ok(vec![
        Measurement::from_samples(PROGRAM, "s", Ratio::TheirsToOurs, Goal::AtLeast(10.0), &ours, &helm),
        Measurement::from_samples(IN_PROCESS, "s", Ratio::TheirsToOurs, Goal::AtLeast(50.0), &in_process, &helm)
            .with_note(format!(
                "slipway's figure is the mean time for rendering one of {apps} apps and writing it as YAML"
            )),
    ])
}

/// The mean number of seconds for one app.
fn render_in_process(apps: u32) -> Result<f64> {
    let templates = Templates::built_in().context("cannot read the templates")?;
    let began = Instant::now();
    for number in 0..apps {
        let app: AppName = format!("app-{number}").parse().context("invalid name")?;
        let rendered = chart::render(&templates, &Values::new(app, ImageRef::verbatim(IMAGE)));
        let text = chart::to_yaml(&rendered.context("cannot render")?).context("cannot write YAML")?;
        std::hint::black_box(text);
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(apps))
}
