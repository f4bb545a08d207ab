//! P5: logging in where the store has very many keys: with the first of them, the last, and one that it does not have.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use russh::keys::PrivateKey;
use serde_json::json;
use slipway::domain::labels;

use crate::cluster;
use crate::gateway::{self, Gateway};
use crate::keypair;
use crate::login::{Logins, Target, logins};
use crate::measure::{Effort, rounds};
use crate::row::{Goal, Ratio, Row, Title};
use crate::sshd::{self, Sshd};
use crate::stats::median;
use crate::world::World;

/// What slipway itself puts into one ConfigMap, in bytes.
const CAPACITY: usize = 900 << 10;
/// How many logins one sample is the median of: one takes less than a millisecond.
const LOGINS: usize = 9;
const WHICH: [(&str, &str, &str); 3] = [
    ("first", "login with the first of many keys", "login with one key in the store"),
    ("last", "login with the last of many keys", "login with one key in the store"),
    ("unknown", "refusal of a key that is not among many", "refusal with one key in the store"),
];

/// Measures them.
///
/// # Errors
/// If a login fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    let count = if world.quick { 10_000 } else { 100_000 };
    world.size("P5 keys", count);
    let keys = Keys::make(world, count)?;
    let one = Gateway::start(world, gateway::Wish { name: "p5-one", ..Default::default() }).await?;
    let many = many(world, &keys).await?;
    let sshd = Sshd::start(world, sshd::Wish { others: Some(&keys.file), ..Default::default() }).await?;
    let mut rows = Vec::new();
    for (which, what, beside_itself) in WHICH {
        let refused = which == "unknown";
        let key = keys.path(which);
        let of_one = if refused { key.clone() } else { one.key() };
        let effort = world.effort(Effort::of(1, 20), Effort::of(1, 3));
        let measured = rounds(effort, async || {
            let login = async |address, key: &PathBuf| login(world, address, key, refused).await;
            Ok([login(many.ssh, &key).await?, login(one.ssh, &of_one).await?, login(sshd.address, &key).await?])
        });
        let [ours, with_one, theirs] = measured.await?;
        let title = |beside| Title { id: "P5", what, beside };
        rows.push(Row::measured(title(beside_itself), "s", Ratio::OursToTheirs, Goal::AtMost(1.05), &ours, &with_one));
        let row = Row::measured(title("sshd"), "s", Ratio::TheirsToOurs, Goal::AtLeast(20.0), &ours, &theirs);
        rows.push(if refused {
            row.noted("slipway takes 1 ms for every refusal on purpose, so that all look alike")
        } else {
            row
        });
    }
    Ok(rows)
}

async fn login(world: &World, address: SocketAddr, key: &Path, refused: bool) -> Result<f64> {
    let target = Target { address, key: key.to_owned(), count: LOGINS, parallel: 1 };
    Ok(median(&logins(world, None, &Logins { target, refused }).await?.each))
}

/// A gateway whose store has all the keys.
async fn many(world: &World, keys: &Keys) -> Result<Gateway> {
    let namespace = world.namespace("p5-many");
    cluster::make(&world.cluster, vec![cluster::plain_namespace(&namespace)]).await?;
    cluster::make_in(&world.cluster, &namespace, keys.config_maps()?).await?;
    let wish = gateway::Wish { name: "p5-many", ..Default::default() };
    Gateway::start_in(world, wish, namespace).await
}

/// Very many keys, in a file as sshd reads it.
struct Keys {
    dir: PathBuf,
    file: PathBuf,
    lines: Vec<String>,
}

impl Keys {
    fn make(world: &World, count: usize) -> Result<Self> {
        let dir = world.disk.path().join("keys");
        std::fs::create_dir(&dir).context("cannot make a directory")?;
        let keys: Vec<PrivateKey> = (0..count).map(|_| keypair::new()).collect::<Result<_>>()?;
        let lines: Vec<String> = keys.iter().map(keypair::line).collect::<Result<_>>()?;
        let save = |key: Option<&PrivateKey>, name: &str| keypair::save(key.context("no key")?, &dir.join(name));
        save(keys.first(), "first")?;
        save(keys.last(), "last")?;
        keypair::write(&dir.join("unknown"))?;
        let file = dir.join("authorized_keys");
        std::fs::write(&file, lines.join("\n") + "\n").context("cannot write the keys")?;
        Ok(Self { dir, file, lines })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A key for each user, as slipway stores them.
    fn config_maps(&self) -> Result<Vec<ConfigMap>> {
        let mut shards = vec![serde_json::Map::new()];
        let mut size = 0;
        for (number, line) in self.lines.iter().enumerate() {
            let mut user = String::new();
            write!(user, "user-{number}").context("cannot name a user")?;
            size += user.len() + line.len() + 1;
            if size > CAPACITY {
                shards.push(serde_json::Map::new());
                size = 0;
            }
            shards.last_mut().context("no shard")?.insert(user, json!(format!("{line}\n")));
        }
        let map = |(number, data)| {
            let metadata = json!({"name": format!("slipway-keys-{number}"), "labels": {labels::KEYS: "users"}});
            serde_json::from_value(json!({"metadata": metadata, "data": data})).context("no ConfigMap")
        };
        shards.into_iter().enumerate().map(map).collect()
    }
}
