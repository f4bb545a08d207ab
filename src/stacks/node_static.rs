//! JavaScript projects whose build leaves a site of static files.

use serde_json::Value;

use super::files::RepositoryFiles;
use super::manifest::json_text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// The directory that the build fills.
    pub directory: &'static str,
    /// Whether paths without a file show the first page, which reads the path itself.
    pub is_single_page: bool,
    /// How the site was recognised.
    pub reason: &'static str,
}

/// Frameworks that use Vite and have a server of their own.
const SERVER_FRAMEWORKS: [&str; 9] = [
    "@sveltejs/kit",
    "@remix-run/node",
    "@remix-run/serve",
    "@react-router/node",
    "@react-router/serve",
    "@tanstack/react-start",
    "nuxt",
    "vike",
    "@astrojs/node",
];

/// The site, if the project has a build for one and no server.
pub(super) fn find_site(files: &RepositoryFiles, package: &Value) -> Option<Site> {
    json_text(package, &["scripts", "build"])?;
    let depends = |name: &str| {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|kind| package.get(kind).is_some_and(|all| all.get(name).is_some()))
    };
    let start = json_text(package, &["scripts", "start"]).unwrap_or_default();
    let starts_only = |tools: &[&str]| start.is_empty() || tools.iter().any(|tool| start.starts_with(tool));
    if SERVER_FRAMEWORKS.iter().any(|name| depends(name)) {
        return None;
    }
    match () {
        () if depends("astro") && starts_only(&["astro"]) => {
            Some(Site { directory: "dist", is_single_page: false, reason: "astro in package.json" })
        }
        () if depends("react-scripts") && starts_only(&["react-scripts"]) => {
            Some(Site { directory: "build", is_single_page: true, reason: "react-scripts in package.json" })
        }
        () if depends("vite") && files.has("index.html") && starts_only(&["vite"]) => {
            Some(Site { directory: "dist", is_single_page: true, reason: "vite in package.json" })
        }
        () => None,
    }
}
