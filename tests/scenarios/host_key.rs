//! The SSH host key.

use crate::support::{Gateway, kubectl};

#[test]
fn the_host_key_outlives_the_data_directory() {
    let mut gateway = Gateway::start();
    let before = std::fs::read_to_string(gateway.known_hosts()).unwrap();
    gateway.kill();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    gateway.launch();
    assert_eq!(std::fs::read_to_string(gateway.known_hosts()).unwrap(), before);
    // ssh checks the host key strictly
    gateway.run_command("help").ok();
    assert!(kubectl::get(&["secret", "slipway-host-key", "-n", &gateway.namespace]).is_some());
}
