//! What a person does with the journals of a cycle. Each act is shown and agreed to first, and who
//! did it when and why is kept in the cycle's row.

use anyhow::{Result, anyhow};
use serde_json::json;
use shared::domain::payout::posting::{Act, Finding, JournalRow, NotPossible, Stage};
use shared::domain::payout::row::{CycleJournal, CycleRow, CycleStage, JournalAct as Kept};
use shared::domain::payout::store::PayoutStore;
use shared::domain::state::StoreError;

use crate::answers::{Refused, confirm};
use crate::arguments::{JournalAct, JournalFound};
use crate::connector::Connector;
use crate::payout_cycles::{as_json, journal_json, journal_line, one, stage};

/// Tries until it is clear that a cycle keeps changing.
const TRIES: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Approve,
    Hold,
    Release,
    Settle(Finding),
    Imported,
}

impl Deed {
    /// What was done, in a word.
    fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Settle(Finding::Posted) => "settled as posted",
            Self::Settle(Finding::NotPosted) => "settled as not posted",
            Self::Imported => "imported",
        }
    }

    /// What is asked.
    fn question(self) -> &'static str {
        match self {
            Self::Approve => "This sends to Prima, within a quarter of an hour:",
            Self::Hold => "This holds back:",
            Self::Release => "This waits for approval again:",
            Self::Settle(Finding::Posted) => {
                "This counts as posted in Prima, and is never sent again:"
            }
            Self::Settle(Finding::NotPosted) => "This is sent to Prima again:",
            Self::Imported => "This counts as imported into Prima:",
        }
    }

    fn of(self, journal: &JournalRow, hash: &str, act: Act) -> Result<JournalRow, NotPossible> {
        let journal = journal.clone();
        match self {
            Self::Approve => journal.approve(hash, act),
            Self::Hold => journal.hold(act),
            Self::Release => journal.release(act.at),
            Self::Settle(finding) => journal.settle(finding, act),
            Self::Imported => journal.settle(Finding::Posted, act),
        }
    }

    fn is_possible_of(self, journal: &JournalRow, act: &Act) -> Result<(), NotPossible> {
        self.of(journal, &journal.hash, act.clone()).map(drop)
    }
}

/// `payouts approve`
pub(crate) async fn approve(
    connector: &Connector,
    act: &JournalAct,
    note: &str,
    hash: Option<&str>,
) -> Result<String> {
    run(connector, act, note, Deed::Approve, hash).await
}

/// `payouts hold`
pub(crate) async fn hold(connector: &Connector, act: &JournalAct, note: &str) -> Result<String> {
    run(connector, act, said(note)?, Deed::Hold, None).await
}

/// `payouts release`
pub(crate) async fn release(connector: &Connector, act: &JournalAct, note: &str) -> Result<String> {
    run(connector, act, said(note)?, Deed::Release, None).await
}

/// `payouts settle`
pub(crate) async fn settle(
    connector: &Connector,
    act: &JournalAct,
    outcome: JournalFound,
    note: &str,
) -> Result<String> {
    let finding = match outcome {
        JournalFound::Posted => Finding::Posted,
        JournalFound::NotPosted => Finding::NotPosted,
    };
    run(connector, act, said(note)?, Deed::Settle(finding), None).await
}

/// `payouts imported`
pub(crate) async fn imported(
    connector: &Connector,
    act: &JournalAct,
    note: &str,
) -> Result<String> {
    run(connector, act, note, Deed::Imported, None).await
}

/// A note that says something.
fn said(note: &str) -> Result<&str> {
    let said = note.trim();
    if said.is_empty() {
        return Err(Refused::because("--note is empty: say why, without anything of a customer"));
    }
    Ok(said)
}

async fn run(
    connector: &Connector,
    asked: &JournalAct,
    note: &str,
    deed: Deed,
    hash: Option<&str>,
) -> Result<String> {
    let act = Act {
        by: connector.named_author()?.to_owned(),
        at: connector.now,
        note: note.trim().to_owned(),
    };
    let row = one(connector, &asked.cycle).await?;
    // The reference of one journal, given as the cycle, means that journal.
    let named = row.journals.iter().any(|one| one.row.reference == asked.cycle.cycle);
    let only = asked.journal.as_deref().or_else(|| named.then_some(asked.cycle.cycle.as_str()));
    let chosen = chosen(&row, deed, only, hash, &act)?;
    let lines: Vec<String> =
        chosen.iter().map(|one| format!("  {}", journal_line(&row.key, one))).collect();
    confirm(&format!("{}\n{}", deed.question(), lines.join("\n")), asked.yes)?;
    let seen: Vec<(String, String)> =
        chosen.iter().map(|one| (one.row.reference.clone(), one.row.hash.clone())).collect();
    let row = keep(&connector.payouts()?, row, deed, &seen, &act).await?;
    if asked.cycle.json {
        let journals: Vec<_> = row.journals.iter().map(journal_json).collect();
        return as_json(&json!({"key": row.key, "done": deed.done(), "journals": journals}));
    }
    let each: Vec<&str> = seen.iter().map(|(reference, _)| reference.as_str()).collect();
    Ok(format!("Journal {} of cycle {}: {}.", each.join(", "), row.key.cycle, deed.done()))
}

/// The journals that it is about.
fn chosen<'r>(
    row: &'r CycleRow,
    deed: Deed,
    only: Option<&str>,
    hash: Option<&str>,
    act: &Act,
) -> Result<Vec<&'r CycleJournal>> {
    let cycle = &row.key.cycle;
    if deed == Deed::Approve && row.stage != CycleStage::Tied {
        return Err(Refused::because(format!(
            "cycle {cycle} is {}: only what ties is posted (prima-mirakl payouts show {cycle})",
            stage(row.stage)
        )));
    }
    let asked: Vec<&CycleJournal> = row
        .journals
        .iter()
        .filter(|one| only.is_none_or(|reference| one.row.reference == reference))
        .collect();
    let is_held = |one: &CycleJournal| matches!(one.row.stage, Stage::Held(_));
    let mut against = Vec::new();
    let mut chosen = Vec::new();
    for journal in asked {
        match deed.is_possible_of(&journal.row, act) {
            Ok(()) if deed == Deed::Hold && is_held(journal) => {
                against.push(format!("journal {} is held back already", journal.row.reference));
            }
            Ok(()) => chosen.push(journal),
            Err(problem) => against.push(problem.to_string()),
        }
    }
    if chosen.is_empty() {
        if against.is_empty() {
            against.push(match only {
                Some(reference) => format!("cycle {cycle} has no journal {reference}"),
                None => format!("cycle {cycle} has no journal: it is {}", stage(row.stage)),
            });
        }
        return Err(Refused(against).into());
    }
    if let Some(hash) = hash
        && let Some(other) = chosen.iter().find(|one| !one.row.hash.starts_with(hash))
    {
        return Err(Refused::because(format!(
            "journal {} has the hash {}: it is not what you looked at",
            other.row.reference, other.row.hash
        )));
    }
    Ok(chosen)
}

/// Does it to what was seen, reading the row again where a function changed it meanwhile.
async fn keep(
    store: &impl PayoutStore,
    mut row: CycleRow,
    deed: Deed,
    seen: &[(String, String)],
    act: &Act,
) -> Result<CycleRow> {
    for _ in 0..TRIES {
        for (reference, hash) in seen {
            let journal = row.journals.iter_mut().find(|one| one.row.reference == *reference);
            let journal = journal.filter(|one| one.row.hash == *hash).ok_or_else(|| {
                Refused::because(format!("journal {reference} has changed since: look at it again"))
            })?;
            journal.row = deed
                .of(&journal.row, hash, act.clone())
                .map_err(|problem| Refused::because(problem.to_string()))?;
            row.acts.push(Kept {
                journal: reference.clone(),
                what: deed.done().to_owned(),
                act: act.clone(),
            });
        }
        match store.save_cycle(&mut row).await {
            Ok(()) => return Ok(row),
            Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
        row = store
            .load_cycle(&row.key)
            .await?
            .ok_or_else(|| anyhow!("cycle {} is gone", row.key))?;
        if deed == Deed::Approve && row.stage != CycleStage::Tied {
            return Err(Refused::because(format!("cycle {} is {}", row.key, stage(row.stage))));
        }
    }
    Err(anyhow!("cycle {} keeps changing: try again in a minute", row.key))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use jiff::Timestamp;
    use jiff::civil::date;
    use shared::domain::payout::in_memory::MemoryPayouts;
    use shared::domain::payout::key::{CycleKey, JournalName};
    use shared::kit::amount::Amount;
    use shared::mirakl::finance::BillingCycle;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn act(note: &str) -> Act {
        Act { by: "Ann".to_owned(), at: now(), note: note.to_owned() }
    }

    fn row() -> CycleRow {
        let cycle =
            r#"{"id":"BC-1","currency_iso_code":"GBP","amount_transferred_to_seller":88.31}"#;
        let cycle = BillingCycle::read(0, cycle).unwrap();
        let key = CycleKey::of("a.mirakl.net", "1", &cycle);
        let mut row = CycleRow::new(key, "outfitter-uk", cycle, now());
        row.stage = CycleStage::Tied;
        let name = JournalName::default();
        row.journals.push(CycleJournal {
            row: JournalRow::new(name, "guid".into(), "MK1".into(), "cafe".into(), true, now()),
            total: Amount::ZERO,
            clearing: Amount::ZERO,
            date: date(2026, 11, 20),
            transfer: Amount::ZERO,
        });
        row
    }

    fn seen() -> [(String, String); 1] {
        [("MK1".to_owned(), "cafe".to_owned())]
    }

    #[tokio::test]
    async fn an_act_is_kept_with_who_when_and_why() {
        let store = MemoryPayouts::default();
        let mut stored = row();
        store.save_cycle(&mut stored).await.unwrap();
        for (deed, stage) in [
            (Deed::Hold, "held back"),
            (Deed::Release, "waiting for approval"),
            (Deed::Approve, "approved"),
        ] {
            let row = store.load_cycle(&stored.key).await.unwrap().unwrap();
            let kept = keep(&store, row, deed, &seen(), &act("why")).await.unwrap();
            assert_eq!(kept.journals[0].row.stage.words(), stage);
        }
        let row = store.load_cycle(&stored.key).await.unwrap().unwrap();
        let acts: Vec<_> =
            row.acts.iter().map(|one| (one.what.as_str(), one.act.by.as_str())).collect();
        assert_eq!(acts, [("held", "Ann"), ("released", "Ann"), ("approved", "Ann")]);
        assert_eq!(row.journals[0].row.approval, Some(act("why")));
    }

    /// What a function changed meanwhile is not approved unseen.
    #[tokio::test]
    async fn an_approval_is_of_what_was_seen() {
        let store = MemoryPayouts::default();
        let mut stored = row();
        store.save_cycle(&mut stored).await.unwrap();
        let looked_at = stored.clone();
        stored.journals[0].row.hash = "beef".to_owned();
        store.save_cycle(&mut stored).await.unwrap();
        let refused = keep(&store, looked_at, Deed::Approve, &seen(), &act("")).await.unwrap_err();
        assert!(refused.is::<Refused>() && refused.to_string().contains("has changed since"));
        let row = store.load_cycle(&stored.key).await.unwrap().unwrap();
        assert!(row.journals[0].row.stage == Stage::AwaitingApproval && row.acts.is_empty());
    }

    #[test]
    fn what_is_not_possible_is_refused_with_the_reason() {
        let refused = |row: &CycleRow, deed, only, hash| {
            chosen(row, deed, only, hash, &act("")).map(drop).unwrap_err().to_string()
        };
        let mut cycle = row();
        assert_eq!(chosen(&cycle, Deed::Approve, None, Some("ca"), &act("")).unwrap().len(), 1);
        assert!(
            refused(&cycle, Deed::Approve, None, Some("be")).contains("not what you looked at")
        );
        assert!(refused(&cycle, Deed::Approve, Some("MK2"), None).contains("no journal MK2"));
        assert!(
            refused(&cycle, Deed::Settle(Finding::Posted), None, None)
                .contains("MK1 is waiting for approval")
        );
        cycle.stage = CycleStage::Untied;
        assert!(refused(&cycle, Deed::Approve, None, None).contains("only what ties is posted"));
        cycle.journals[0].row.stage = Stage::Held(act(""));
        assert!(refused(&cycle, Deed::Hold, None, None).contains("held back already"));
    }
}
