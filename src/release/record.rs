//! Helm's release record: the document, and its encoding as one value of a Secret. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;
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

/// Largest decompressed record, in bytes. Helm has no limit but the Secret's, into which a gzip bomb fits.
const MAX_DECOMPRESSED: u64 = 16 << 20;
/// Longest description of a failed revision, in characters.
const MAX_FAILURE_DESCRIPTION: usize = 500;

/// Helm 4's value of `apply_method` for server-side apply.
pub const SERVER_SIDE_APPLY: &str = "ssa";

/// A release's status, in Helm's words.
/// <https://github.com/helm/helm/blob/main/pkg/release/common/status.go>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    #[default]
    Unknown,
    Deployed,
    /// The objects were deleted, and the record was kept.
    Uninstalled,
    /// A later revision is deployed.
    Superseded,
    Failed,
    Uninstalling,
    /// The first revision is being applied.
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
}

impl ReleaseStatus {
    /// The value of Helm's label and of the document.
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

    /// The status with this label value.
    pub(super) fn from_label(label: &str) -> Option<Self> {
        serde_json::from_value(Value::from(label)).ok()
    }

    /// Whether the release is being written, or its writer died.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

/// One revision of a release. Fields that slipway does not read are kept as Helm wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The release's name.
    pub name: String,
    #[serde(default)]
    pub namespace: String,
    pub version: Revision,
    pub info: RecordInfo,
    /// The chart's metadata. slipway leaves the templates out.
    #[serde(default)]
    pub chart: Value,
    /// The chart's values.
    #[serde(default)]
    pub config: Value,
    /// The objects, as YAML documents.
    #[serde(default)]
    pub manifest: String,
    /// Helm's hooks; slipway has none.
    #[serde(default)]
    pub hooks: Value,
    /// [`SERVER_SIDE_APPLY`], so that Helm 4 goes on with server-side apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_method: Option<String>,
    #[serde(flatten)]
    pub other_fields: Map<String, Value>,
}

impl Record {
    /// An annotation in the chart's metadata.
    pub(super) fn chart_annotation(&self, key: &str) -> Option<&str> {
        self.chart.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Sets an annotation in the chart's metadata, unless the chart has no annotations, as charts of others.
    pub(super) fn set_chart_annotation(&mut self, key: &str, value: &str) {
        let annotations = self.chart.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.insert(key.to_owned(), Value::from(value));
        }
    }
}

/// Times, status and description of a revision. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordInfo {
    /// When the release's first revision was deployed.
    #[serde(default)]
    pub first_deployed: String,
    /// When this revision was deployed.
    #[serde(default)]
    pub last_deployed: String,
    pub status: ReleaseStatus,
    #[serde(default)]
    pub description: String,
    #[serde(flatten)]
    pub other_fields: Map<String, Value>,
}

impl RecordInfo {
    /// Sets the time of this revision's deploy. A later time of the first deploy is corrected: its writer's clock was
    /// ahead.
    pub(super) fn set_deployed_at(&mut self, now: Timestamp) {
        let first = self.first_deployed.parse::<Timestamp>();
        if first.is_ok_and(|first| first > now) || self.first_deployed.is_empty() {
            self.first_deployed = now.to_string();
        }
        self.last_deployed = now.to_string();
    }
}

/// The chart of a record, for a chart that slipway rendered. Helm keeps these `annotations` when it rewrites a
/// record, and drops those of the Secret.
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

/// The description of a revision that failed; `action` names what was done, such as `Deploy of 3f2c1ab by alice`.
pub(super) fn failure_description(action: &str, error: &impl Display) -> String {
    format!("{action} failed: {error}").chars().take(MAX_FAILURE_DESCRIPTION).collect()
}

/// Why the value of a release Secret is not a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("it is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("it cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    #[error("it decompresses to more than {} MiB", MAX_DECOMPRESSED >> 20)]
    TooLarge,
    #[error("it is not a release document")]
    Json(#[from] serde_json::Error),
}

/// Encodes a record as the value of its Secret: `base64(gzip(json))`, without the base64 of the Secret itself.
///
/// # Errors
/// If the document cannot be written as JSON.
pub fn encode(record: &Record) -> Result<Vec<u8>, std::io::Error> {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&serde_json::to_vec(record)?)?;
    Ok(STANDARD.encode(compressed.finish()?).into_bytes())
}

/// Decodes the value of a release Secret. Records of early Helm versions are not compressed.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(value: &[u8]) -> Result<Record, DecodeError> {
    let bytes = STANDARD.decode(value)?;
    if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    let mut json = Vec::new();
    GzDecoder::new(bytes.as_slice()).take(MAX_DECOMPRESSED + 1).read_to_end(&mut json).map_err(DecodeError::Gzip)?;
    if json.len() as u64 > MAX_DECOMPRESSED {
        return Err(DecodeError::TooLarge);
    }
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
