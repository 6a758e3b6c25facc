//! The planted bugs keep up with the sources. That each is caught takes minutes: `cargo planted`.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::path::Path;

use system_tests::planted::BUGS;

#[test]
fn every_planted_bug_still_has_its_place() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lost: Vec<String> =
        BUGS.iter().filter_map(|bug| bug.planted(&std::fs::read_to_string(top.join(bug.file)).unwrap()).err()).collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert!(BUGS.len() >= 20);
    let names: BTreeSet<&str> = BUGS.iter().map(|bug| bug.name).collect();
    assert_eq!(names.len(), BUGS.len(), "two bugs have one name");
}
