//! P5: logging in to a server with very many keys: with the first key, with the last one, and with an unknown one.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use russh::keys::PrivateKey;
use serde_json::json;
use slipway::domain::labels;

use crate::cluster;
use crate::environment::BenchEnv;
use crate::gateway::{Gateway, GatewayOptions};
use crate::login_client::{self, LoginOptions, LoginTarget};
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::sampling::{SamplePlan, sample_rounds};
use crate::ssh_keys;
use crate::sshd::{Sshd, SshdOptions};
use crate::stats::median;

/// The size up to which slipway fills one ConfigMap, in bytes.
const SHARD_CAPACITY: usize = 900 << 10;
/// A sample is the median of this many logins, since one takes less than a millisecond.
const LOGINS_PER_SAMPLE: usize = 9;
/// The key's file name, the title of its row, and the baseline with one key in the store.
const CASES: [(&str, &str, &str); 3] = [
    ("first", "login with the first of many keys", "login with one key in the store"),
    ("last", "login with the last of many keys", "login with one key in the store"),
    ("unknown", "refusal of a key that is not among many", "refusal with one key in the store"),
];

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    let count = if env.quick { 10_000 } else { 100_000 };
    env.record_size("P5 keys", count);
    let keys = ManyKeys::generate(env, count)?;
    let one = Gateway::start(env, GatewayOptions { name: "p5-one", ..Default::default() }).await?;
    let many = start_with_keys(env, &keys).await?;
    let sshd = Sshd::start(env, SshdOptions { authorized_keys: Some(&keys.file), ..Default::default() }).await?;
    let mut rows = Vec::new();
    for (which, what, one_key_baseline) in CASES {
        let refused = which == "unknown";
        let key = keys.path(which);
        let key_of_one = if refused { key.clone() } else { one.key() };
        let plan = env.plan(SamplePlan::new(1, 20), SamplePlan::new(1, 3));
        let measured = sample_rounds(plan, async || {
            let login = async |address, key: &PathBuf| login(env, address, key, refused).await;
            Ok([login(many.ssh, &key).await?, login(one.ssh, &key_of_one).await?, login(sshd.address, &key).await?])
        });
        let [ours, with_one, theirs] = measured.await?;
        let title = |baseline| Title { id: "P5", what, baseline };
        rows.push(Measurement::from_samples(
            title(one_key_baseline),
            "s",
            Ratio::OursToTheirs,
            Goal::AtMost(1.05),
            &ours,
            &with_one,
        ));
        let row =
            Measurement::from_samples(title("sshd"), "s", Ratio::TheirsToOurs, Goal::AtLeast(20.0), &ours, &theirs);
        rows.push(if refused {
            row.with_note("slipway delays every refusal to 1 ms, so that all refusals take equally long")
        } else {
            row
        });
    }
    Ok(rows)
}

async fn login(env: &BenchEnv, address: SocketAddr, key: &Path, refused: bool) -> Result<f64> {
    let target = LoginTarget { address, key: key.to_owned(), count: LOGINS_PER_SAMPLE, parallel: 1 };
    Ok(median(&login_client::run_in_process(env, None, &LoginOptions { target, refused }).await?.each))
}

/// Starts a gateway whose key store has all the keys.
async fn start_with_keys(env: &BenchEnv, keys: &ManyKeys) -> Result<Gateway> {
    let namespace = env.unique_namespace("p5-many");
    cluster::create_namespaces(&env.cluster, vec![cluster::unowned_namespace(&namespace)]).await?;
    cluster::create_objects(&env.cluster, &namespace, keys.config_maps()?).await?;
    let options = GatewayOptions { name: "p5-many", ..Default::default() };
    Gateway::start_in(env, options, namespace).await
}

/// Public keys in a file that sshd can read, and the private keys of the test cases.
struct ManyKeys {
    dir: PathBuf,
    file: PathBuf,
    lines: Vec<String>,
}

impl ManyKeys {
    fn generate(env: &BenchEnv, count: usize) -> Result<Self> {
        let dir = env.disk.path().join("keys");
        std::fs::create_dir(&dir).context("cannot make a directory")?;
        let keys: Vec<PrivateKey> = (0..count).map(|_| ssh_keys::generate()).collect::<Result<_>>()?;
        let lines: Vec<String> = keys.iter().map(ssh_keys::public_key_line).collect::<Result<_>>()?;
        let save = |key: Option<&PrivateKey>, name: &str| {
            ssh_keys::write_private_key(key.context("there are no keys")?, &dir.join(name))
        };
        save(keys.first(), "first")?;
        save(keys.last(), "last")?;
        ssh_keys::generate_to_file(&dir.join("unknown"))?;
        let file = dir.join("authorized_keys");
        std::fs::write(&file, lines.join("\n") + "\n").context("cannot write the keys")?;
        Ok(Self { dir, file, lines })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The ConfigMaps in which slipway would store the keys, one key for each user.
    fn config_maps(&self) -> Result<Vec<ConfigMap>> {
        let mut shards = vec![serde_json::Map::new()];
        let mut size = 0;
        for (number, line) in self.lines.iter().enumerate() {
            let mut user = String::new();
            write!(user, "user-{number}").context("cannot format a user name")?;
            size += user.len() + line.len() + 1;
            if size > SHARD_CAPACITY {
                shards.push(serde_json::Map::new());
                size = 0;
            }
            shards.last_mut().context("there is no shard")?.insert(user, json!(format!("{line}\n")));
        }
        let map = |(number, data)| {
            let metadata = json!({"name": format!("slipway-keys-{number}"), "labels": {labels::KEYS: "users"}});
            serde_json::from_value(json!({"metadata": metadata, "data": data})).context("invalid ConfigMap")
        };
        shards.into_iter().enumerate().map(map).collect()
    }
}
