//! P4: from the TCP connection to being logged in, one after the other and 32 at once. The client has core 0, the server
//! core 1.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;

use crate::gateway::{self, Gateway};
use crate::login::{CIPHER, Logins, Target, logins};
use crate::measure::{Effort, rounds};
use crate::row::{Goal, Ratio, Row, Title};
use crate::sshd::{self, Sshd};
use crate::stats::median;
use crate::world::World;

const SERIAL: Title = Title { id: "P4", what: "login, one after the other", beside: "sshd" };
const PARALLEL: Title = Title { id: "P4", what: "logins a second, 32 at once", beside: "sshd" };
/// The client's processor and the server's.
const CORES: (u32, u32) = (0, 1);
const AT_ONCE: usize = 32;

/// Measures them.
///
/// # Errors
/// If a login fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        let reason = "client and server need a core each, and there is one";
        let goals = [(SERIAL, Goal::AtMost(0.2)), (PARALLEL, Goal::AtLeast(10.0))];
        return Ok(goals.map(|(title, goal)| Row::unmeasured(title, goal, reason)).into());
    }
    let core = Some(CORES.1);
    let slipway = Gateway::start(world, gateway::Wish { name: "p4", core, ..Default::default() }).await?;
    let sshd = Sshd::start(world, sshd::Wish { core, ..Default::default() }).await?;
    world.cipher("P4, P5, P6", CIPHER);
    let (one, many) = if world.quick { (5, 64) } else { (20, 256) };
    world.size("P4 logins of a sample, serial and parallel", format!("{one}, {many}"));
    let effort = world.effort(Effort::USUAL, Effort::of(1, 3));
    let serial = async |address: SocketAddr, key: PathBuf| {
        let target = Target { address, key, count: one, parallel: 1 };
        let times = logins(world, Some(CORES.0), &Logins { target, refused: false }).await?;
        anyhow::Ok(median(&times.each))
    };
    let rate = async |address: SocketAddr, key: PathBuf| {
        let target = Target { address, key, count: many, parallel: AT_ONCE };
        let times = logins(world, Some(CORES.0), &Logins { target, refused: false }).await?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        anyhow::Ok(many as f64 / times.total)
    };
    let measured = rounds(effort, async || {
        let one = [serial(slipway.ssh, slipway.key()).await?, serial(sshd.address, sshd.key()).await?];
        let many = [rate(slipway.ssh, slipway.key()).await?, rate(sshd.address, sshd.key()).await?];
        let ([ours, theirs], [our_rate, their_rate]) = (one, many);
        Ok([ours, theirs, our_rate, their_rate])
    });
    let [ours, theirs, our_rate, their_rate] = measured.await?;
    Ok(vec![
        Row::measured(SERIAL, "s", Ratio::OursToTheirs, Goal::AtMost(0.2), &ours, &theirs)
            .noted(format!("a sample is the median of {one} logins")),
        Row::measured(PARALLEL, "/s", Ratio::OursToTheirs, Goal::AtLeast(10.0), &our_rate, &their_rate)
            .noted(format!("a sample is {many} logins, {AT_ONCE} at once; the client on its one core does its half of the cryptography for both")),
    ])
}
