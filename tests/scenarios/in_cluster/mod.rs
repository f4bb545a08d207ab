//! slipway as it is really run: its image in a pod, installed with helm.

mod lifecycle;
mod namespaces;
mod outside;
mod registry;
mod rights;
mod upgrade;
