//! Records, and real ones of helm's.

use proptest::prelude::*;

use super::*;

fn record(manifest: &str) -> Record {
    Record {
        name: "myapp".into(),
        namespace: "myapp".into(),
        version: Revision(3),
        info: RecordInfo {
            first_deployed: "2026-11-21T03:00:00Z".into(),
            last_deployed: "2026-11-21T04:00:00Z".into(),
            status: ReleaseStatus::PendingUpgrade,
            description: "Deploying 3f2c1ab by alice".into(),
            other_fields: Map::from_iter([("notes".to_owned(), Value::from("http://x"))]),
        },
        chart: chart_metadata("myapp", "0.1.0", "3f2c1ab", &[("a".to_owned(), "b".to_owned())].into()),
        config: json!({"image": "x@sha256:1"}),
        manifest: manifest.into(),
        hooks: json!([]),
        apply_method: Some("ssa".into()),
        other_fields: Map::new(),
    }
}

#[test]
fn the_document_has_helms_field_names() {
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

/// The fixtures are Secrets that helm wrote when it upgraded a release of slipway's.
#[test]
fn records_of_real_helm_survive_a_round_trip() {
    for (text, method) in
        [(include_str!("fixtures/helm-4.1.4.b64"), Some("ssa")), (include_str!("fixtures/helm-3.17.2.b64"), None)]
    {
        let value: String = text.split_whitespace().collect();
        let record = decode(value.as_bytes()).unwrap();
        assert_eq!((record.info.status, record.apply_method.as_deref()), (ReleaseStatus::Superseded, method));
        assert!(record.info.first_deployed.parse::<jiff::Timestamp>().is_ok());
        let mut original = String::new();
        let compressed = STANDARD.decode(&value).unwrap();
        GzDecoder::new(compressed.as_slice()).read_to_string(&mut original).unwrap();
        let original: Value = serde_json::from_str(&original).unwrap();
        assert_eq!(serde_json::to_value(decode(&encode(&record).unwrap()).unwrap()).unwrap(), original);
    }
}

#[test]
fn a_value_that_is_not_a_record_is_refused() {
    let bomb = {
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        compressed.write_all(&vec![b' '; (MAX_DECOMPRESSED + 1) as usize]).unwrap();
        STANDARD.encode(compressed.finish().unwrap())
    };
    assert!(matches!(decode(bomb.as_bytes()), Err(DecodeError::TooLarge)));
    assert!(matches!(decode(b"%"), Err(DecodeError::Base64(_))));
    assert!(matches!(decode(STANDARD.encode([0x1f, 0x8b, 8, 0]).as_bytes()), Err(DecodeError::Gzip(_))));
    assert!(matches!(decode(STANDARD.encode("{}").as_bytes()), Err(DecodeError::Json(_))));
}

#[test]
fn statuses_have_helms_names() {
    for word in ["unknown", "deployed", "uninstalled", "superseded", "failed", "uninstalling"] {
        assert_eq!(ReleaseStatus::from_label(word).unwrap().as_str(), word);
    }
    for word in ["pending-install", "pending-upgrade", "pending-rollback"] {
        let status = ReleaseStatus::from_label(word).unwrap();
        assert_eq!((status.as_str(), status.is_pending()), (word, true));
    }
    assert_eq!(ReleaseStatus::from_label("live"), None);
}

proptest! {
    #[test]
    fn an_encoded_record_decodes_to_itself(
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
