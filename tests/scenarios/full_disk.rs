//! A data directory without free space.

use crate::support::small_disk::SmallDisk;
use crate::support::{App, Gateway};

#[test]
fn a_push_that_fills_the_disk_is_refused_and_frees_its_space() {
    let mut gateway = Gateway::prepared(&[]);
    let data = gateway.path("data");
    std::fs::create_dir(&data).unwrap();
    let _disk = SmallDisk::mount(&data, 8, "");
    gateway.launch();
    let app = App::deployed(&gateway);
    app.commit_random_file(20);
    app.push(&gateway).fails();
    assert_eq!(app.history().len(), 1);
    app.git(&["reset", "-q", "--hard", "HEAD~1"]);
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2");
    // the file system cannot be unmounted while the gateway uses it
    gateway.kill();
}
