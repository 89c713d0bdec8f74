//! The layers import downwards only: each `crate::` path in `src/` has to be an arrow of this table.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom.
const ARROWS: [(&str, &[&str]); 19] = [
    ("slab", &[]),
    ("time", &["slab"]),
    ("rng", &[]),
    ("uri", &[]),
    ("codec", &["uri"]),
    ("headers", &["uri"]),
    ("message", &["uri", "headers"]),
    ("auth", &["time", "rng", "uri", "headers", "message"]),
    ("dialplan", &["uri"]),
    ("config", &["uri", "headers", "auth", "dialplan"]),
    ("transport", &["time", "rng", "uri", "headers", "config", "message"]),
    ("resolve", &["time", "rng", "uri"]),
    ("transaction", &["slab", "time", "rng", "uri", "headers", "config", "message", "transport"]),
    ("mode", &["time", "config"]),
    ("upstream", &["time", "rng", "config", "mode"]),
    ("registrar", &["slab", "codec", "time", "uri", "dialplan", "headers", "message", "config", "transport"]),
    (
        "routing",
        &["uri", "dialplan", "headers", "message", "config", "transport", "mode", "registrar", "upstream"],
    ),
    ("proxy", &["time", "rng", "headers", "message", "transport", "transaction", "upstream", "routing"]),
    (
        "sas",
        &[
            "codec",
            "time",
            "rng",
            "uri",
            "headers",
            "auth",
            "dialplan",
            "config",
            "message",
            "transport",
            "resolve",
            "transaction",
            "mode",
            "upstream",
            "registrar",
            "routing",
            "proxy",
        ],
    ),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The layers that a file names, its unit tests left out: those may use whatever helps them.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect::<Vec<_>>().join("\n");
    let code =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn no_layer_imports_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let arrows: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let layer = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if layer == "lib" || inside.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        let allowed = arrows.get(layer).unwrap_or_else(|| panic!("{layer} has no place among the layers"));
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import != layer && !allowed.contains(import.as_str()) {
                wrong.push(format!("{} imports {import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_arrows_make_no_circle() {
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for (layer, imports) in ARROWS {
        assert!(
            imports.iter().all(|import| below.contains(import)),
            "{layer} imports a layer that comes later"
        );
        below.insert(layer);
    }
}

/// The library has no clock, socket, thread or environment of its own. Clippy forbids the calls; this forbids the types.
#[test]
fn the_library_names_no_clock_socket_thread_or_environment() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let forbidden = [
        "std::time::Instant",
        "SystemTime",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "std::thread",
        "std::env",
        "std::fs",
        "RandomState",
        "unsafe ",
    ];
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let found: Vec<_> = forbidden.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

/// What a program takes in with the library, by name: nothing that brings a runtime.
#[test]
fn the_library_depends_on_little() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let (optional, always): (Vec<_>, Vec<_>) = dependencies
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .partition(|(_, how)| how.contains("optional = true"));
    let names =
        |dependencies: Vec<(_, _)>| dependencies.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(optional), ["serde"]);
    assert_eq!(
        names(always),
        [
            "bytes",
            "ctutils",
            "hmac",
            "md-5",
            "memchr",
            "nom",
            "rand_chacha",
            "sha2",
            "siphasher",
            "thiserror"
        ]
    );
    assert!(!manifest.contains("default = ["), "no feature is on unless it is asked for");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}
