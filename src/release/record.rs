//! A release record as Helm keeps it: the document, and its coding into one value of a Secret. Pure.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::Revision;

/// How much a record may unpack to. Helm's limit is the Secret; a gzip bomb fits into one.
const UNPACKED: u64 = 16 << 20;

/// Helm 4's word for applying on the server's side.
pub const SERVER_SIDE: &str = "ssa";

/// A release's status, as Helm names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Helm does not know.
    #[default]
    Unknown,
    /// It is what runs.
    Deployed,
    /// It was removed, and its record kept.
    Uninstalled,
    /// A later one is deployed.
    Superseded,
    /// It did not become ready.
    Failed,
    /// It is being removed.
    Uninstalling,
    /// The first one is being applied.
    PendingInstall,
    /// It is being applied.
    PendingUpgrade,
    /// It is being applied, and repeats an earlier one.
    PendingRollback,
}

impl Status {
    /// The word in Helm's label and document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// The status that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::from(word)).ok()
    }

    /// Whether somebody is, or was, in the middle of writing the release.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

/// One revision of a release. What slipway does not read is kept as it is, since Helm may have written it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The release's name, which is the app's.
    pub name: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its number.
    pub version: Revision,
    /// Times, status, description.
    pub info: Info,
    /// The chart: metadata; slipway leaves the templates out.
    #[serde(default)]
    pub chart: Value,
    /// The values it was rendered with.
    #[serde(default)]
    pub config: Value,
    /// The objects, as YAML documents.
    #[serde(default)]
    pub manifest: String,
    /// Helm's hooks; slipway has none.
    #[serde(default)]
    pub hooks: Value,
    /// [`SERVER_SIDE`]: Helm 4 has to go on applying in this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_method: Option<String>,
    /// Whatever else Helm wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Record {
    /// What the chart's metadata says of it.
    pub fn chart_annotation(&self, key: &str) -> Option<&str> {
        self.chart.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Changes what the chart's metadata says; nothing where it says nothing at all, as in charts of others.
    pub fn annotate_chart(&mut self, key: &str, value: &str) {
        let annotations = self.chart.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.insert(key.to_owned(), Value::from(value));
        }
    }
}

/// The part of a record that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When the first revision was deployed, RFC 3339.
    #[serde(default)]
    pub first_deployed: String,
    /// When this one was, RFC 3339.
    #[serde(default)]
    pub last_deployed: String,
    /// What became of it.
    pub status: Status,
    /// What it was for, or why it failed.
    #[serde(default)]
    pub description: String,
    /// Whatever else Helm wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Info {
    /// It is deployed at `now`, and not before the first revision was: that may have been recorded by a clock that was
    /// ahead.
    pub fn deploy_at(&mut self, now: Timestamp) {
        let first = self.first_deployed.parse::<Timestamp>();
        if first.is_ok_and(|first| first > now) || self.first_deployed.is_empty() {
            self.first_deployed = now.to_string();
        }
        self.last_deployed = now.to_string();
    }
}

/// The chart's part of a record, for a chart rendered by slipway. What the `annotations` say is kept whatever Helm makes
/// of the record later: it drops those of the Secret.
pub fn chart_metadata(name: &str, version: &str, app_version: &str, annotations: &BTreeMap<String, String>) -> Value {
    json!({
        "metadata": {
            "apiVersion": "v2",
            "name": name,
            "version": version,
            "appVersion": app_version,
            "type": "application",
            "description": "Deployed by slipway",
            "annotations": annotations,
        },
        "templates": [],
        "values": {},
    })
}

/// A value in a release Secret that is not a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not base64.
    #[error("it is not base64")]
    Base64(#[from] base64::DecodeError),
    /// Not gzip.
    #[error("it does not unpack")]
    Gzip(#[source] std::io::Error),
    /// A bomb.
    #[error("it unpacks to more than {} MiB", UNPACKED >> 20)]
    TooLarge,
    /// Not the document.
    #[error("it is not a release document")]
    Json(#[from] serde_json::Error),
}

/// The Secret's value for `record`: `base64(gzip(json))`. The Secret's own base64 comes on top.
///
/// # Errors
/// Only if the document cannot be written as JSON.
pub fn encode(record: &Record) -> Result<Vec<u8>, std::io::Error> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&serde_json::to_vec(record)?)?;
    Ok(STANDARD.encode(packed.finish()?).into_bytes())
}

/// The record in a Secret's value. Helm of long ago did not compress.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(value: &[u8]) -> Result<Record, DecodeError> {
    let bytes = STANDARD.decode(value)?;
    if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    let mut json = Vec::new();
    GzDecoder::new(bytes.as_slice()).take(UNPACKED + 1).read_to_end(&mut json).map_err(DecodeError::Gzip)?;
    if json.len() as u64 > UNPACKED {
        return Err(DecodeError::TooLarge);
    }
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(manifest: &str) -> Record {
        Record {
            name: "myapp".into(),
            namespace: "myapp".into(),
            version: Revision(3),
            info: Info {
                first_deployed: "2026-11-21T03:00:00Z".into(),
                last_deployed: "2026-11-21T04:00:00Z".into(),
                status: Status::PendingUpgrade,
                description: "Deploying 3f2c1ab by alice".into(),
                rest: Map::from_iter([("notes".to_owned(), Value::from("http://x"))]),
            },
            chart: chart_metadata("myapp", "0.1.0", "3f2c1ab", &[("a".to_owned(), "b".to_owned())].into()),
            config: json!({"image": "x@sha256:1"}),
            manifest: manifest.into(),
            hooks: json!([]),
            apply_method: Some("ssa".into()),
            rest: Map::new(),
        }
    }

    #[test]
    fn the_document_has_helms_names() {
        let json = serde_json::to_string_pretty(&record("---\n# Source: myapp/templates/x.yaml\n")).unwrap();
        insta::assert_snapshot!(json);
    }

    #[test]
    fn a_record_of_helm_keeps_what_slipway_does_not_read() {
        let json = json!({
            "name": "x", "namespace": "y", "version": 1, "manifest": "m", "hooks": [{"name": "h"}], "labels": {"a": "b"},
            "info": {"first_deployed": "2026-11-21T03:00:00.1+01:00", "last_deployed": "", "status": "superseded",
                     "description": "Install complete", "deleted": "", "resources": {"a": []}},
            "chart": {"metadata": {"name": "c"}, "lock": null, "templates": [{"data": "eA=="}]}, "config": {"n": 1.5},
        });
        let value = STANDARD.encode(json.to_string());
        let record = decode(value.as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), json);
    }

    /// Secrets that helm wrote when it upgraded a release of slipway's.
    #[test]
    fn records_of_real_helm_survive_a_round_trip() {
        for (text, method) in
            [(include_str!("fixtures/helm-4.1.4.b64"), Some("ssa")), (include_str!("fixtures/helm-3.17.2.b64"), None)]
        {
            let value: String = text.split_whitespace().collect();
            let record = decode(value.as_bytes()).unwrap();
            assert_eq!((record.info.status, record.apply_method.as_deref()), (Status::Superseded, method));
            assert!(record.info.first_deployed.parse::<jiff::Timestamp>().is_ok());
            let mut original = String::new();
            let packed = STANDARD.decode(&value).unwrap();
            GzDecoder::new(packed.as_slice()).read_to_string(&mut original).unwrap();
            let original: Value = serde_json::from_str(&original).unwrap();
            assert_eq!(serde_json::to_value(decode(&encode(&record).unwrap()).unwrap()).unwrap(), original);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let bomb = {
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(&vec![b' '; (UNPACKED + 1) as usize]).unwrap();
            STANDARD.encode(packed.finish().unwrap())
        };
        assert!(matches!(decode(bomb.as_bytes()), Err(DecodeError::TooLarge)));
        assert!(matches!(decode(b"%"), Err(DecodeError::Base64(_))));
        assert!(matches!(decode(STANDARD.encode([0x1f, 0x8b, 8, 0]).as_bytes()), Err(DecodeError::Gzip(_))));
        assert!(matches!(decode(STANDARD.encode("{}").as_bytes()), Err(DecodeError::Json(_))));
    }

    #[test]
    fn statuses_are_helms_words() {
        for word in ["unknown", "deployed", "uninstalled", "superseded", "failed", "uninstalling"] {
            assert_eq!(Status::from_word(word).unwrap().as_str(), word);
        }
        for word in ["pending-install", "pending-upgrade", "pending-rollback"] {
            let status = Status::from_word(word).unwrap();
            assert_eq!((status.as_str(), status.is_pending()), (word, true));
        }
        assert_eq!(Status::from_word("live"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(
            manifest in any::<String>(),
            description in any::<String>(),
            config in proptest::collection::btree_map(any::<String>(), any::<i64>(), 0..5),
            revision in any::<u32>(),
        ) {
            let mut record = record(&manifest);
            record.info.description = description;
            record.config = json!(config);
            record.version = Revision(revision);
            prop_assert_eq!(decode(&encode(&record).unwrap()).unwrap(), record);
        }
    }
}
