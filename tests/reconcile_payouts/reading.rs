//! Reading: over several runs, with limits, refusals and crashes.

use shared::domain::payout::ledger::Ledger;
use shared::domain::payout::row::CycleStage;
use shared::domain::payout::store::{PayoutFiles, lines_file};
use simulators::mirakl::model::ledger::Billing;

use super::world::{Pages, World};

#[tokio::test]
async fn a_reading_of_many_pages_keeps_the_limits_and_goes_on_from_its_token() {
    let world = World::lived(Billing::default(), 2).await;
    world.pages.set(Pages::Small(1));
    world.run_on(1, 0).await;
    assert_eq!(world.calls_of_log.get(), 20, "twenty pages a minute");
    let shop = world.shop().await;
    assert!(shop.unfinished.is_some() && shop.watermark.is_none());
    let mut runs = 0;
    while world.cycles().await.iter().any(|row| row.stage != CycleStage::Tied) {
        let before = world.calls_of_log.get();
        world.run_on(1, 15).await;
        assert!(world.calls_of_log.get() - before <= 20);
        runs += 1;
        assert!(runs < 60, "{:?}", world.shop().await);
    }
    assert_eq!(world.told(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_without_the_right_is_told_once_and_goes_on_once_it_has_it() {
    let world = World::lived(Billing::default(), 1).await;
    world.simulator.rights().roles = Some(vec!["ROLE_SHOP_ADMIN".to_owned()]);
    world.run_on(6, 15).await;
    assert_eq!(world.told(), ["marketplace-refuses"]);
    assert!(world.reason().contains("ROLE_SHOP_ACCOUNTANCY"), "{}", world.reason());
    world.simulator.rights().roles = None;
    world.run_on(1, 15).await;
    world.run_on(1, 61).await;
    assert_eq!(world.cycles().await[0].stage, CycleStage::Tied);
    assert_eq!(world.told(), Vec::<String>::new());
}

#[tokio::test]
async fn pages_that_go_round_are_no_reading() {
    let world = World::lived(Billing::default(), 1).await;
    world.pages.set(Pages::Circle);
    world.run_on(8, 15).await;
    assert_eq!(world.told(), ["marketplace-refuses"]);
    assert!(world.reason().contains("circle"), "{}", world.reason());
    assert!(world.calls_of_log.get() <= 8 * 3, "{}", world.calls_of_log.get());
    assert!(world.shop().await.watermark.is_none());
    world.pages.set(Pages::Whole);
    world.run_on(1, 15).await;
    world.run_on(1, 61).await;
    assert_eq!(world.cycles().await[0].stage, CycleStage::Tied);
    assert_eq!(world.told(), Vec::<String>::new());
}

#[tokio::test]
async fn retry_after_is_obeyed_over_runs() {
    let world = World::lived(Billing::default(), 1).await;
    let limited = serde_json::json!([{
        "operation": "TL02", "fault": {"kind": "too_many_requests", "retry_after": 2400},
        "chance": 1.0, "remaining": 1,
    }]);
    world.misbehave(limited).await;
    world.run_on(3, 15).await;
    assert_eq!(world.calls_of_log.get(), 1, "40 minutes are not over");
    world.run_on(2, 15).await;
    assert!(world.calls_of_log.get() > 1);
    assert_eq!(world.told(), Vec::<String>::new());
}

/// The function dies at each of its calls in turn; what the runs after it come to is the same.
#[tokio::test]
async fn a_crash_at_any_call_loses_and_doubles_nothing() {
    let whole = World::lived(Billing::default(), 2).await;
    whole.rules(|documents| documents.rules.approval = false);
    whole.read_twice().await;
    let expected: Vec<_> = tied(&whole).await;
    for dies_after in 1.. {
        let world = World::lived(Billing::default(), 2).await;
        world.rules(|documents| documents.rules.approval = false);
        world.run_on(1, 0).await;
        world.wait(61);
        world.dies_after.set(Some(dies_after));
        let report = world.run().await;
        let died = world.dies_after.replace(None) == Some(0);
        // The lease of a run that died ends with it.
        world.run_on(5, 61).await;
        assert_eq!(tied(&world).await, expected, "after {dies_after}: {report:?}");
        assert_eq!(world.told(), Vec::<String>::new(), "after {dies_after}");
        let mut queued = world.queued.borrow().clone();
        queued.dedup();
        assert!(queued.len() >= 2, "after {dies_after}: {queued:?}");
        if !died {
            assert!(dies_after > 10, "{dies_after}");
            break;
        }
    }
}

/// The sums of each cycle, its lines, and its journals' references and totals.
async fn tied(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for row in world.cycles().await {
        let bytes = world.payouts.read(&lines_file(&row.key)).await.unwrap().unwrap();
        let ledger: Ledger = serde_json::from_slice(&bytes).unwrap();
        let tie = row.tie.as_ref().unwrap();
        let journals: Vec<_> = row.journals.iter().map(|one| (one.total, one.clearing)).collect();
        let lines = ledger.lines().count();
        found.push(format!(
            "{:?} {lines} {:?} {:?} {journals:?}",
            row.stage, tie.lines, tie.transfer
        ));
    }
    found
}
