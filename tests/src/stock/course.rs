//! Hours in which a right of stock is missing, in a world in which nothing else goes wrong.

use std::rc::Rc;
use std::time::Duration;

use shared::domain::events::{Event, EventKind};

use super::run::{consume, schedule};
use super::world::{CHANNELS, World};
use super::{judge, orders};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct MissingRight {
    /// Calls of the operation, by the hour.
    pub calls: Vec<u64>,
    /// What people were told of the channel's rights and lists while it was missing.
    pub told: Vec<Event>,
    /// What people were told of after it was back for a while.
    pub told_afterwards: usize,
    /// What offers show wrongly two hours after it was back.
    pub wrong: Vec<String>,
}

/// Takes the right to an operation from the first channel's key for six hours, with customers who
/// go on buying.
///
/// # Panics
/// If no runtime can be made.
#[must_use]
pub fn without_a_right(operation: &'static str) -> MissingRight {
    match tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build() {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, live(operation)),
        Err(problem) => panic!("no runtime: {problem}"),
    }
}

async fn live(operation: &'static str) -> MissingRight {
    // The first world in which nothing goes wrong by itself and everything is agreed from the
    // beginning.
    let calm = (1..)
        .map(|seed| World::new(seed, None, false))
        .find(|world| world.calm && world.agreed.get());
    let Some(world) = calm.map(Rc::new) else { return MissingRight::default() };
    world.key_refused.set(Some(0));
    world.right_refused.set(Some(operation));
    tokio::task::spawn_local(schedule(Rc::clone(&world)));
    tokio::task::spawn_local(consume(Rc::clone(&world)));
    tokio::task::spawn_local(orders::customers(Rc::clone(&world)));
    let mut course = MissingRight::default();
    let calls = || world.refused_calls.get();
    for _hour in 0..6 {
        let before = calls();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        course.calls.push(calls() - before);
    }
    let is_of_it = |event: &Event| {
        let is_kind = event.reason.starts_with("marketplace-refuses")
            || event.reason.starts_with("offers-unread");
        event.kind == EventKind::StockException
            && event.channel.as_deref() == Some(CHANNELS[0])
            && is_kind
    };
    let told = || {
        world
            .events
            .borrow()
            .iter()
            .map(|(_, event)| event)
            .filter(|event| is_of_it(event))
            .cloned()
            .collect::<Vec<_>>()
    };
    course.told = told();
    world.key_refused.set(None);
    world.quiet.set(true);
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    course.told_afterwards = told().len() - course.told.len();
    course.wrong = judge::wrong_offers(&world);
    course
}
