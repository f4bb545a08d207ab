//! The description of an app by its own files: the model that the readers of `spec` produce and that the chart renders.
//!
//! A value that the app leaves open is `None`; the chart decides it when it renders.

mod autoscale;
mod build;
mod command;
mod cron;
mod env_source;
mod health;
mod process;
mod resources;
mod scalars;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use autoscale::Autoscale;
pub use build::BuildSpec;
pub use command::Command;
pub use cron::{ConcurrencyPolicy, CronSchedule, CronTask, TaskName};
pub use env_source::{EnvSource, GENERATED_SECRET, Generator, ObjectReference};
pub use health::{Health, Probe, ProbeAction};
pub use process::{Process, ProcessName, RollingUpdate};
pub use resources::{ResourceQuantities, Resources};
pub use scalars::{EnvName, EnvValue, HealthPath, Quantity, escape_for_kubernetes};

/// The merged files of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSpec {
    #[serde(skip_serializing_if = "BuildSpec::is_default")]
    pub build: BuildSpec,
    /// The variables of all processes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, EnvSource>,
    /// Objects all of whose keys become variables of all processes.
    #[serde(rename = "envFrom", skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<ObjectReference>,
    pub processes: BTreeMap<ProcessName, Process>,
    /// Dokku's command before the release phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predeploy: Option<Command>,
    /// The command of the release phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Command>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cron: BTreeMap<TaskName, CronTask>,
}

impl Default for AppSpec {
    /// An app that says nothing: the process `web` runs the command of the image.
    fn default() -> Self {
        Self {
            build: BuildSpec::default(),
            env: BTreeMap::new(),
            env_from: Vec::new(),
            processes: BTreeMap::from([(ProcessName::web(), Process::default())]),
            predeploy: None,
            release: None,
            cron: BTreeMap::new(),
        }
    }
}

impl AppSpec {
    /// The process that gets the Service.
    pub fn web(&self) -> Option<&Process> {
        self.processes.get(&ProcessName::web())
    }

    /// The names of the variables that slipway generates.
    pub fn generated(&self) -> BTreeSet<&str> {
        let all = self.env.iter().chain(self.processes.values().flat_map(|process| &process.env));
        let generated = all.filter(|(_, source)| matches!(source, EnvSource::Generated { .. }));
        generated.map(|(name, _)| name.as_str()).collect()
    }

    /// All commands of the app, each with what runs it.
    pub fn commands(&self) -> impl Iterator<Item = (String, &Command)> {
        let processes = self
            .processes
            .iter()
            .filter_map(|(name, process)| Some((format!("the process {name}"), process.command.as_ref()?)));
        let before = self.predeploy.iter().chain(&self.release);
        let release = before.map(|command| ("the release phase".to_owned(), command));
        let tasks = self.cron.iter().map(|(name, task)| (format!("the cron task {name}"), &task.command));
        processes.chain(release).chain(tasks)
    }
}
