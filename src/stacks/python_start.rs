//! The start command of a Python app without a Procfile.

use std::sync::LazyLock;

use regex::Regex;

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::mentions;
use super::plan::Sourced;
use super::procfile::read_web_command;
use super::stack::Stack;

/// Files that may contain the application, in the order in which they are tried.
const MODULES: [&str; 6] = ["main.py", "app.py", "application.py", "wsgi.py", "asgi.py", "server.py"];

pub(super) struct PythonStart {
    pub command: Sourced,
    /// The server that the command starts and that is not among the dependencies; otherwise empty.
    pub missing_server: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interface {
    Wsgi,
    Asgi,
}

pub(super) fn find_start(files: &RepositoryFiles, marker: &str, dependencies: &str) -> Result<PythonStart, StackError> {
    if let Some(command) = read_web_command(files)? {
        return Ok(PythonStart { command, missing_server: "" });
    }
    if let Some((module, file)) = find_django(files) {
        return Ok(served(&format!("{module}.wsgi"), Interface::Wsgi, file, dependencies));
    }
    if let Some((target, interface, file)) = MODULES.iter().find_map(|file| find_application(file, files.text(file)?)) {
        return Ok(served(&target, interface, file, dependencies));
    }
    match MODULES.iter().find(|file| files.text(file).is_some_and(|text| !text.trim().is_empty())) {
        Some(file) => {
            Ok(PythonStart { command: Sourced::from_file(format!("python {file}"), *file), missing_server: "" })
        }
        None => Err(StackError::NoStartCommand {
            stack: Stack::Python,
            marker: marker.to_owned(),
            looked_for: format!("a line \"web:\" in a Procfile, manage.py, and {}", MODULES.join(", ")),
            example: "gunicorn app:app --bind 0.0.0.0:$PORT",
        }),
    }
}

fn served(target: &str, interface: Interface, file: &str, dependencies: &str) -> PythonStart {
    let (server, command) = match interface {
        Interface::Wsgi => ("gunicorn", format!("gunicorn {target} --bind 0.0.0.0:$PORT")),
        Interface::Asgi => ("uvicorn", format!("uvicorn {target} --host 0.0.0.0 --port $PORT")),
    };
    let is_installed = mentions(dependencies, server) || (server == "uvicorn" && dependencies.contains("fastapi["));
    PythonStart { command: Sourced::from_file(command, file), missing_server: if is_installed { "" } else { server } }
}

/// The package with the settings, from `manage.py`.
fn find_django(files: &RepositoryFiles) -> Option<(String, &'static str)> {
    static SETTINGS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([A-Za-z_][A-Za-z0-9_]*)\.[A-Za-z0-9_.]+['"]"#).ok()
    });
    let captures = SETTINGS.as_ref()?.captures(files.text("manage.py")?)?;
    Some((captures.get(1)?.as_str().to_owned(), "manage.py"))
}

/// `module:variable` of the application that a file creates.
fn find_application(file: &'static str, text: &str) -> Option<(String, Interface, &'static str)> {
    static APPLICATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let classes = "Flask|FastAPI|Starlette|Quart|Litestar|Sanic|Bottle|falcon\\.App|get_wsgi_application|get_asgi_application";
        Regex::new(&format!(r"(?m)^([A-Za-z_][A-Za-z0-9_]*)\s*(?::[^=\n]*)?=\s*(?:[A-Za-z_]+\.)?({classes})\(")).ok()
    });
    let captures = APPLICATION.as_ref()?.captures(text)?;
    let interface = match captures.get(2)?.as_str() {
        "FastAPI" | "Starlette" | "Quart" | "Litestar" | "Sanic" | "get_asgi_application" => Interface::Asgi,
        _ => Interface::Wsgi,
    };
    let module = file.strip_suffix(".py")?;
    Some((format!("{module}:{}", captures.get(1)?.as_str()), interface, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_is_found_by_its_class() {
        for (text, expected) in [
            ("app = Flask(__name__)\n", Some(("app:app", Interface::Wsgi))),
            ("import fastapi\napi: fastapi.FastAPI = fastapi.FastAPI()\n", Some(("app:api", Interface::Asgi))),
            ("application = get_wsgi_application()", Some(("app:application", Interface::Wsgi))),
            ("  app = Flask(__name__)", None),
            ("print('Flask(')", None),
        ] {
            let found = find_application("app.py", text);
            let found = found.as_ref().map(|(target, interface, _)| (target.as_str(), *interface));
            assert_eq!(found, expected, "{text}");
        }
    }
}
