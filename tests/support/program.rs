//! The examples as programs.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An example, which cargo puts beside the directory of the tests; built now if it is not there.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let beside = test.parent().and_then(Path::parent).unwrap().join("examples").join(file);
    if beside.is_file() { beside } else { build(name) }
}

fn build(name: &str) -> PathBuf {
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--example", name, "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let messages = String::from_utf8(cargo.stdout).unwrap();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program =
        messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    program.expect("cargo named no executable")
}
