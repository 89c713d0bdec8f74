//! Messages that others wrote, read where they lie: beside the project, as `../shared/corpora`. Where that folder is absent
//! the tests say so on standard error and pass.

use super::{FIELDS, lines};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if folder.is_dir() {
        return Some(folder);
    }
    // To standard error itself: the test harness would hold back what is printed.
    let _ = writeln!(std::io::stderr(), "skipped: no corpora");
    None
}

/// What is said of each file in a folder, by file name.
fn told(folder: &Path) -> HashMap<String, Value> {
    let name = |line: &Value| {
        let path = Path::new(line["file"].as_str().unwrap());
        path.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let lines = lines(&[folder.to_str().unwrap()]);
    lines.into_iter().map(|line| (name(&line), line)).collect()
}

#[test]
fn each_file_has_a_line_with_all_fields() {
    let Some(corpora) = corpora() else { return };
    for folder in ["rfc4475", "rfc5118", "flows", "captures", "malformed/jain-torture", "cves"] {
        let told = told(&corpora.join(folder));
        assert_eq!(told.len(), fs::read_dir(corpora.join(folder)).unwrap().count(), "{folder}");
        for line in told.values() {
            assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS, "{line}");
            let is_refused = line["outcome"] == "refused";
            assert_eq!(line["headers"].is_null(), is_refused, "{line}");
            assert!(line["answer"].is_null() || !line["error"].is_null(), "{line}");
        }
    }
}

/// The value of a line that a fact speaks of, as text; `None` if it is one that lines do not tell.
fn value(line: &Value, fact: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    };
    let count = |field: &str| line[field].as_array().map_or(0, Vec::len).to_string();
    Some(match fact {
        "method" | "status" | "max_forwards" | "call_id" | "content_length" | "body_bytes"
        | "trailing_bytes" => text(&line[fact]),
        // The table's facts end at a semicolon, as a URI's parameters start with one.
        "ruri" => text(&line["request_uri"]).split(';').next()?.to_owned(),
        "contact_uri" => text(&line["contacts"][0]["uri"]).split(';').next()?.to_owned(),
        "to_tag" => text(&line["to"]["tag"]),
        "from_tag" => text(&line["from"]["tag"]),
        "from_display" => text(&line["from"]["display"]),
        "via_count" => count("via"),
        "contact_count" => count("contacts"),
        "route_count" => count("routes"),
        "record_route_count" => count("record_routes"),
        "contact_expires" => text(&line["contacts"][0]["expires"]),
        "via2_host" => text(&line["via"][1]["host"]),
        "via_transports" => {
            let vias = line["via"].as_array()?;
            vias.iter().map(|via| text(&via["transport"])).collect::<Vec<_>>().join(",")
        }
        "cseq" => text(&line["cseq"]["number"]),
        _ => return None,
    })
}

#[test]
fn the_facts_of_rfc_4475() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc4475");
    let told = told(&folder);
    let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut checked = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let line = &told[columns[0]];
        if columns[2] == "valid" {
            assert_eq!((&line["answer"], &line["error"]), (&Value::Null, &Value::Null), "{line}");
        }
        for fact in columns[5].split(';') {
            let Some((name, expected)) = fact.split_once('=') else { continue };
            let Some(value) = value(line, name) else { continue };
            // What cannot be a CSeq is not told as one; else the number, and the remark behind it.
            let expected = expected.split(" (").next().unwrap();
            let expected = if name == "cseq" { expected.split(' ').next().unwrap() } else { expected };
            let is_unreadable = value == "(none)" && !columns[2].starts_with("valid");
            assert!(value == expected || is_unreadable, "{}: {name} is {value}, not {expected}", columns[0]);
            checked += usize::from(!is_unreadable);
        }
    }
    let _ = writeln!(std::io::stderr(), "rfc4475: {checked} facts as expected");
    assert!(checked > 150, "{checked}");
}
