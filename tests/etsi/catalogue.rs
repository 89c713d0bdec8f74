//! Holds the purposes of the catalogue against the tests here.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Purposes without a test, and why.
const WITHOUT: [(&[&str], &str); 1] = [(
    &[
        "SIP_CC_PR_MP_RQ_V_010",
        "SIP_CC_PR_MP_RQ_V_028",
        "SIP_CC_PR_MP_RS_V_003",
        "SIP_CC_PR_TR_CL_TI_006",
        "SIP_CC_PR_TR_CL_TI_011",
    ],
    "void in the catalogue",
)];

const GROUPS: [&str; 4] = ["SIP_RG_RR_", "SIP_CC_PR_", "SIP_MG_PR_", "SIP_QC_PR_"];

/// The ids of the tests in this binary.
fn tested() -> BTreeSet<String> {
    let list = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    let names = list.lines().filter_map(|line| line.strip_suffix(": test")?.rsplit("::").next());
    names.map(str::to_uppercase).filter(|name| name.starts_with("SIP_")).collect()
}

#[test]
fn every_purpose_of_the_catalogue_has_a_test_or_a_reason_why_not() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/ETSI_102027-2.tsv");
    let Ok(text) = std::fs::read_to_string(file) else {
        // To standard error itself: the test harness would hold back what is printed.
        let _ = writeln!(std::io::stderr(), "skipped: no corpora");
        return;
    };
    let ids = text.lines().filter_map(|line| line.split('\t').next());
    let ids: BTreeSet<String> =
        ids.filter(|id| GROUPS.iter().any(|group| id.starts_with(group))).map(str::to_owned).collect();
    assert!(ids.len() > 200, "{} purposes", ids.len());
    let without: BTreeSet<String> =
        WITHOUT.iter().flat_map(|(ids, _)| *ids).map(|id| (*id).to_owned()).collect();
    let tested = tested();
    assert_eq!(without.intersection(&tested).collect::<Vec<_>>(), Vec::<&String>::new(), "tested after all");
    let known: BTreeSet<String> = without.union(&tested).cloned().collect();
    assert_eq!(ids.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "forgotten");
    assert_eq!(known.difference(&ids).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the catalogue");
}
