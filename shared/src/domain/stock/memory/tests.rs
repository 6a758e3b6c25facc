#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;
use crate::domain::stock::import_memory::{FailedImport, ImportUnderWay};
use crate::domain::stock::rules::ImportKind;
use crate::mirakl::MiraklError;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

fn import(mark: &str) -> ImportUnderWay {
    ImportUnderWay {
        mark: mark.into(),
        import_id: None,
        kind: ImportKind::Stock,
        begun_at: at(0),
        lines: 2,
        ask_at: at(1),
    }
}

#[test]
fn a_record_is_flat_and_older_ones_are_read() {
    let old = r#"{
        "pushed_at":"2026-11-20T12:00:00Z","looked_at":"2026-11-20T11:59:58Z","imported_at":"2026-11-20T11:55:00Z",
        "decided_at":"2026-11-20T11:50:00Z",
        "import":{"mark":"1-a","import_id":"77","kind":"stock","begun_at":"2026-11-20T12:00:01Z","lines":3,"ask_at":"2026-11-20T12:00:16Z"},
        "stray":[{"mark":"0-a","kind":"offers","begun_at":"2026-11-20T10:00:00Z","lines":1,"ask_at":"2026-11-20T10:00:15Z"}],
        "offers":{"listed_at":"2026-11-20T03:00:00Z","offers":200000},
        "sales":{"slots":[{"from":"2026-11-20T11:50:00Z","orders":2,"units":3}]},
        "pending":true,"more":true,
        "refused":[{"offer_sku":"A","quantity":3,"reason":"no","at":"2026-11-20T11:55:00Z"}],
        "exceptions":[],"republish":true,"zeroes_allowed_until":"2026-11-20T13:00:00Z",
        "latest":{"offers":200000,"decision":"sales: published 3 of 3 lines"},
        "failed":{"at":"2026-11-20T09:00:00Z","reason":"no answer"},
        "throttled":2,"unnamed":[4,"no reason"],
        "totals":{"pushes":9,"lines_published":8,"lines_in_error":7,"imports_failed":6},
        "refused_rights":[{"channel":"uk","operation":"STO02","since":"2026-11-20T11:00:00Z","told":"401","refusals":1,"next_try":"2026-11-20T11:01:00Z"}],
        "ended":[{"mark":"0","begun_at":"2026-11-20T11:50:00Z","ended_at":"2026-11-20T11:55:00Z"}],
        "seen_until":"2026-11-20T11:59:00Z"
    }"#;
    let memory: PushMemory = serde_json::from_str(old).unwrap();
    assert_eq!(memory.imports.under_way.as_ref().unwrap().import_id.as_deref(), Some("77"));
    assert_eq!(
        (memory.imports.stray.len(), memory.imports.ended.len(), memory.imports.refused.len()),
        (1, 1, 1)
    );
    assert_eq!((memory.imports.totals.pushes, memory.imports.unnamed.as_ref().unwrap().0), (9, 4));
    assert_eq!(
        (memory.run.throttled, memory.run.offers.offers, memory.run.more),
        (2, 200_000, true)
    );
    assert_eq!(memory.run.sales.velocity("2026-11-20T12:00:00Z".parse().unwrap()).units_short, 3.0);
    assert!(
        memory.joint.pending
            && memory.joint.republish
            && memory.joint.refused_rights.of("uk", "STO02").is_some()
    );
    let moments = [
        memory.run.pushed_at,
        memory.run.looked_at,
        memory.run.seen_until,
        memory.joint.decided_at,
    ];
    assert!(
        moments.iter().all(Option::is_some)
            && memory.imports.imported_at.is_some()
            && memory.zeroes_allowed_until.is_some()
    );
    let written = serde_json::to_value(&memory).unwrap();
    let fields: serde_json::Value = serde_json::from_str(old).unwrap();
    for field in fields.as_object().unwrap().keys() {
        assert!(
            written.get(field).is_some(),
            "{field} is written under its name, so that the version before can be put back"
        );
    }
    assert_eq!(serde_json::from_value::<PushMemory>(written).unwrap(), memory);
    assert_eq!(serde_json::from_str::<PushMemory>("{}").unwrap(), PushMemory::default());
}

#[test]
fn where_two_writers_meet_each_part_is_its_owners() {
    let refused = |operation| {
        let mut rights = RefusedRights::default();
        rights.refuse("uk", &MiraklError::refused(operation, 401, None, "no"), at(0));
        rights
    };
    let mine = PushMemory {
        run: RunMemory { pushed_at: Some(at(5)), throttled: 3, ..RunMemory::default() },
        imports: ImportMemory { under_way: Some(import("mine")), ..ImportMemory::default() },
        joint: JointMemory {
            decided_at: Some(at(4)),
            pending: true,
            republish: true,
            refused_rights: refused("STO01"),
        },
        zeroes_allowed_until: None,
    };
    let theirs = PushMemory {
        run: RunMemory { pushed_at: Some(at(1)), more: true, ..RunMemory::default() },
        imports: ImportMemory {
            failed: Some(FailedImport { at: at(3), reason: "no".into() }),
            ..ImportMemory::default()
        },
        joint: JointMemory {
            decided_at: Some(at(2)),
            pending: false,
            republish: true,
            refused_rights: refused("STO02"),
        },
        zeroes_allowed_until: Some(at(9)),
    };
    let merged = mine.clone().merged(theirs.clone(), ImportOwner::Others, false);
    assert_eq!(
        (&merged.run, &merged.imports, merged.zeroes_allowed_until),
        (&mine.run, &theirs.imports, Some(at(9)))
    );
    assert_eq!(
        (merged.joint.decided_at, merged.joint.pending, merged.joint.republish),
        (Some(at(4)), true, true)
    );
    let rights = &merged.joint.refused_rights;
    assert!(
        rights.of("uk", "STO01").is_some() && rights.of("uk", "STO02").is_some(),
        "each function's own"
    );
    assert!(
        !mine.clone().merged(theirs.clone(), ImportOwner::Others, true).joint.republish,
        "this run has done it"
    );
    assert_eq!(
        mine.clone().merged(theirs, ImportOwner::ThisRun, false).imports,
        mine.imports,
        "this run's import is its own to note"
    );
}
