//! Whatever works a queue off: the event source of a function.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::queue::{Delivery, Queue};
use super::scene::Scene;

/// An event source.
pub(crate) struct Source<S> {
    /// Its queue, and who is told that there is something new in it.
    pub(crate) queue: fn(&S) -> (&RefCell<Queue>, &Notify),
    /// Messages of a batch at most.
    pub(crate) most: u64,
    /// Invocations at once.
    pub(crate) at_once: u32,
    /// How long a message is hidden from others once it was received.
    pub(crate) visibility: Duration,
    /// How often it is not.
    pub(crate) twice: f64,
}

/// Works a queue off for ever.
pub(crate) async fn consume<S: Scene, F>(
    world: Rc<S>,
    source: Source<S>,
    work: impl Fn(Rc<S>, Vec<Delivery>) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let (queue, moved) = (source.queue)(&world);
    loop {
        let now = world.now();
        let next = queue.borrow().next_visible();
        match next {
            Some(next) if next <= now && queue.borrow().at_work < source.at_once => {
                let most = if world.scripted {
                    source.most
                } else {
                    world.dice_again("batch").between(1, source.most)
                };
                let again = |body: &_| {
                    let dice = world.dice_again(("received", body));
                    world
                        .mishap(&dice, source.twice)
                        .then(|| if dice.chance(0.5) { 700 } else { dice.between(0, 40_000) })
                };
                let again = |body: &_| again(body).map(Duration::from_millis);
                let deliveries = queue.borrow_mut().receive(
                    now,
                    usize::try_from(most).unwrap_or(1),
                    source.visibility,
                    again,
                );
                if !deliveries.is_empty() {
                    queue.borrow_mut().at_work += 1;
                    let (worked, world) = (work(Rc::clone(&world), deliveries), Rc::clone(&world));
                    tokio::task::spawn_local(async move {
                        worked.await;
                        let (queue, moved) = (source.queue)(&world);
                        queue.borrow_mut().at_work -= 1;
                        moved.notify_one();
                    });
                }
            }
            Some(next) if next > now => {
                tokio::select! {
                    biased;
                    () = moved.notified() => {}
                    () = tokio::time::sleep(next.duration_since(now).unsigned_abs()) => {}
                }
            }
            _ => moved.notified().await,
        }
    }
}
