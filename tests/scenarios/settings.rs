//! The settings of `slipway serve`.

use std::process::Command;

use crate::support::try_run;

#[test]
fn an_invalid_setting_is_named_and_ends_the_start_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let invalid = [
        ("SLIPWAY_SSH_LISTEN", "nowhere", "--ssh-listen"),
        ("SLIPWAY_LOGIN_GRACE", "soon", "--login-grace"),
        ("SLIPWAY_KEEPALIVE", "0s", "--keepalive"),
        ("SLIPWAY_MAX_SESSIONS", "0", "--max-sessions"),
        ("SLIPWAY_MAX_PACK", "much", "--max-pack"),
        ("SLIPWAY_APP_URL", "http://{host}", "--app-url"),
        ("SLIPWAY_NAMESPACE", "Not_A_Namespace", "--namespace"),
        ("SLIPWAY_APP_CREATION", "robots", "--app-creation"),
        ("SLIPWAY_LOG", "loud=please=x", "--log"),
        ("SLIPWAY_ENGINE", "ftp://x", "--engine"),
        ("SLIPWAY_ADMIN_KEYS", file, "--admin-keys"),
        ("SLIPWAY_TEMPLATES", file, "--templates"),
        ("SLIPWAY_DATA_DIR", file, "--data-dir"),
        ("SLIPWAY_HTTP_LISTEN", "203.0.113.1:1", "--http-listen"),
    ];
    for (name, value, flag) in invalid {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_slipway"));
        serve.arg("serve");
        // a flag overrides its variable, so that the tested setting must not have its flag set too
        if !["SLIPWAY_SSH_LISTEN", "SLIPWAY_HTTP_LISTEN", "SLIPWAY_DATA_DIR"].contains(&name) {
            serve.args(["--ssh-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
        }
        let output = try_run(serve.env(name, value));
        assert_eq!(output.code, Some(2), "{name}={value}: {}", output.stderr);
        output.prints(flag);
    }
}

#[test]
fn every_flag_of_serve_has_a_variable_in_its_help() {
    let help = try_run(Command::new(env!("CARGO_BIN_EXE_slipway")).args(["serve", "--help"])).ok().stdout;
    let flags: Vec<&str> = help.lines().filter(|line| line.starts_with("      --")).map(str::trim).collect();
    assert!(flags.len() > 20, "{help}");
    for flag in flags {
        let name = flag.trim_start_matches("--").split([' ', '=']).next().unwrap();
        let variable = format!("[env: SLIPWAY_{}=", name.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{name} has no variable {variable}\n{help}");
    }
}
