//! slipway in a pod, installed with the chart.

mod external_services;
mod lifecycle;
mod namespaces;
mod node_pulls;
mod own_registry;
mod upgrade;
