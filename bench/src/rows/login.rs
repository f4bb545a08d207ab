//! P4: the time from the TCP connection to the end of authentication, sequentially and with 32 concurrent logins. The client
//! runs on core 0, the server on core 1.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;

use crate::environment::BenchEnv;
use crate::gateway::{Gateway, GatewayOptions};
use crate::login_client::{self, CIPHER, LoginOptions, LoginTarget};
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::sampling::{SamplePlan, sample_rounds};
use crate::sshd::{Sshd, SshdOptions};
use crate::stats::median;

const SERIAL: Title = Title { id: "P4", what: "login, one after the other", baseline: "sshd" };
const PARALLEL: Title = Title { id: "P4", what: "logins a second, 32 at once", baseline: "sshd" };
const CLIENT_CORE: u32 = 0;
const SERVER_CORE: u32 = 1;
const CONCURRENT_LOGINS: usize = 32;

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        let reason = "the client and the server need a core each, and this machine has one";
        let goals = [(SERIAL, Goal::AtMost(0.2)), (PARALLEL, Goal::AtLeast(10.0))];
        return Ok(goals.map(|(title, goal)| Measurement::unmeasured(title, goal, reason)).into());
    }
    let core = Some(SERVER_CORE);
    let slipway = Gateway::start(env, GatewayOptions { name: "p4", core, ..Default::default() }).await?;
    let sshd = Sshd::start(env, SshdOptions { core, ..Default::default() }).await?;
    env.record_cipher("P4, P5, P6", CIPHER);
    let (one, many) = if env.quick { (5, 64) } else { (20, 256) };
    env.record_size("P4 logins of a sample, serial and parallel", format!("{one}, {many}"));
    let plan = env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 3));
    let serial = async |address: SocketAddr, key: PathBuf| {
        let target = LoginTarget { address, key, count: one, parallel: 1 };
        let times =
            login_client::run_in_process(env, Some(CLIENT_CORE), &LoginOptions { target, refused: false }).await?;
        anyhow::Ok(median(&times.each))
    };
    let rate = async |address: SocketAddr, key: PathBuf| {
        let target = LoginTarget { address, key, count: many, parallel: CONCURRENT_LOGINS };
        let times =
            login_client::run_in_process(env, Some(CLIENT_CORE), &LoginOptions { target, refused: false }).await?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        anyhow::Ok(many as f64 / times.total)
    };
    let measured = sample_rounds(plan, async || {
        let one = [serial(slipway.ssh, slipway.key()).await?, serial(sshd.address, sshd.key()).await?];
        let many = [rate(slipway.ssh, slipway.key()).await?, rate(sshd.address, sshd.key()).await?];
        let ([ours, theirs], [our_rate, their_rate]) = (one, many);
        Ok([ours, theirs, our_rate, their_rate])
    });
    let [ours, theirs, our_rate, their_rate] = measured.await?;
    Ok(vec![
        Measurement::from_samples(SERIAL, "s", Ratio::OursToTheirs, Goal::AtMost(0.2), &ours, &theirs)
            .with_note(format!("a sample is the median of {one} logins")),
        Measurement::from_samples(PARALLEL, "/s", Ratio::OursToTheirs, Goal::AtLeast(10.0), &our_rate, &their_rate)
            .with_note(format!("a sample is {many} logins, {CONCURRENT_LOGINS} at once; in both cases the client does its half of the cryptography on one core")),
    ])
}
