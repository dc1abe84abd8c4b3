//! Actions of a Delta log ([protocol, "Actions"]): one JSON object per line of a commit.
//!
//! Unknown actions and unknown fields are passed over: they are those of other programs, and the
//! protocol version says when they must not be.
//!
//! [protocol, "Actions"]: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#actions

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the protocol that readers must know: no column mapping, no deletion vectors.
pub(crate) const READER_VERSION: i32 = 1;
/// Version of the protocol that writers must know.
pub(crate) const WRITER_VERSION: i32 = 2;
/// Most actions of one commit.
pub(crate) const ACTIONS_MAX: usize = 200_000;

/// What programs must know to read and write the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i32,
    pub(crate) min_writer_version: i32,
}

/// Format of the data files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

/// Name, columns and configuration of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, String>,
}

/// A file that becomes part of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    /// Percent-encoded, relative to the root of the table.
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: i64,
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<BTreeMap<String, Option<String>>>,
    /// Rows that count as deleted: of a protocol that we refuse.
    #[serde(default, skip_serializing)]
    pub(crate) deletion_vector: Option<serde_json::Value>,
}

/// A file that is no part of the table any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    /// Percent-encoded, relative to the root of the table.
    pub(crate) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_timestamp: Option<i64>,
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<i64>,
}

/// How far an application got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated: Option<i64>,
}

/// Who committed, what and when; for people, and to recognise a commit of our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    #[serde(default)]
    pub(crate) timestamp: i64,
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) operation_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) engine_info: String,
    /// Unique for each attempt to commit.
    #[serde(default)]
    pub(crate) txn_id: String,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    CommitInfo(CommitInfo),
    Protocol(Protocol),
    MetaData(Metadata),
    Txn(Txn),
    Add(Add),
    Remove(Remove),
}

/// A line of the log: the action that is not absent is the one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    protocol: Option<Protocol>,
    meta_data: Option<Metadata>,
    txn: Option<Txn>,
    add: Option<Add>,
    remove: Option<Remove>,
    // `commitInfo` may be anything in tables of other programs: it is never read.
}

impl Line {
    fn into_action(self) -> Option<Action> {
        let protocol = self.protocol.map(Action::Protocol);
        protocol
            .or(self.meta_data.map(Action::MetaData))
            .or(self.txn.map(Action::Txn))
            .or(self.add.map(Action::Add))
            .or(self.remove.map(Action::Remove))
    }
}

/// Reads the lines of a commit.
///
/// # Errors
/// In words, with the number of the line; also where there are more than [`ACTIONS_MAX`].
pub(crate) fn read_actions(text: &[u8]) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if index >= ACTIONS_MAX {
            return Err(format!("it has more than {ACTIONS_MAX} lines"));
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| format!("line {} is no action: {error}", index + 1))?;
        actions.extend(line.into_action());
    }
    Ok(actions)
}

/// Writes actions as the lines of a commit.
pub(crate) fn write_actions(actions: &[Action]) -> Vec<u8> {
    let mut text = Vec::with_capacity(actions.len() * 512);
    for action in actions {
        serde_json::to_writer(&mut text, action).expect("actions have texts for keys");
        text.push(b'\n');
    }
    text
}

/// Refuses tables of a newer protocol.
///
/// # Errors
/// In words that name the version.
pub(crate) fn check_protocol(protocol: &Protocol) -> Result<(), String> {
    let (reader, writer) = (protocol.min_reader_version, protocol.min_writer_version);
    if reader > READER_VERSION || writer > WRITER_VERSION {
        return Err(format!(
            "it needs reader version {reader} and writer version {writer} of the Delta protocol; known are \
             {READER_VERSION} and {WRITER_VERSION} (no deletion vectors, no column mapping)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn actions_are_read_as_they_were_written() {
        let month = BTreeMap::from([("month".to_owned(), Some("2021-04".to_owned()))]);
        let actions = vec![
            Action::Protocol(Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
            }),
            Action::Txn(Txn {
                app_id: "S2A/\u{e9} \"x\"".into(),
                version: i64::MIN,
                last_updated: Some(5),
            }),
            Action::Add(Add {
                path: "data/a%20b.parquet".into(),
                partition_values: month.clone(),
                size: 12,
                modification_time: 3,
                data_change: true,
                stats: Some("{\"numRecords\":1}".into()),
                tags: None,
                deletion_vector: None,
            }),
            Action::Remove(Remove {
                path: "x".into(),
                deletion_timestamp: None,
                data_change: false,
                extended_file_metadata: Some(true),
                partition_values: Some(month),
                size: Some(3),
            }),
        ];
        let text = write_actions(&actions);
        assert_eq!(read_actions(&text), Ok(actions));
        let line = String::from_utf8(text).expect("text");
        assert!(line.contains(r#""minReaderVersion":1"#) && line.contains(r#""appId""#));
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        let text = br#"{"commitInfo": 7}
{"domainMetadata": {"domain": "x"}}

{"txn": {"appId": "a", "version": 1, "new": [1, 2]}, "later": null}"#;
        let actions = read_actions(text).expect("lines");
        assert!(matches!(&actions[..], [Action::Txn(txn)] if txn.app_id == "a"));
        let error = read_actions(b"{}\n{\"add\": {\"path\": 1}}").expect_err("no path");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn newer_protocols_are_named() {
        let newer = |reader, writer| {
            check_protocol(&Protocol {
                min_reader_version: reader,
                min_writer_version: writer,
            })
        };
        assert_eq!(newer(1, 2), Ok(()));
        assert!(newer(3, 7).is_err_and(|text| text.contains("reader version 3")));
        assert!(newer(1, 7).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_actions(&bytes);
        }

        #[test]
        fn damaged_commits_are_read_or_refused(at in 0usize..120, byte in any::<u8>()) {
            let mut text = br#"{"add":{"path":"a","partitionValues":{"month":"2021-04"},"size":1,"modificationTime":2,"dataChange":true}}"#.to_vec();
            let at = at % text.len();
            text[at] = byte;
            let _ = read_actions(&text);
        }
    }
}
