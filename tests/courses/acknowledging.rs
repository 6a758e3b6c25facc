//! What the poller does with what is listed: rows, messages, references.

use shared::domain::channel::Mode;
use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::queue::OrderTask;
use shared::domain::state::OrderStore as _;
use shared::kit::clock::before;
use shared::mirakl::OrderState;
use system_tests::simulation::course::Progress;
use system_tests::simulation::course::{CHANNEL, Course, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::SHOP;
use system_tests::world::fate::{Fate, Kind};

/// The ids of each OR04, in the order of the calls.
fn references(course: &Course) -> Vec<Vec<String>> {
    let calls = course.world.calls.borrow();
    let ids = |about: &str| about.split_whitespace().skip(1).map(str::to_owned).collect();
    calls.iter().filter(|call| call.kind == Kind::Reference).map(|call| ids(&call.about)).collect()
}

#[test]
fn the_minutes_numbers_are_those_of_the_minute() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells("A-2");
        course.sells("A-3");
        course.pass(seconds(30)).await;
        course.strikes(Kind::Accept, "harbour-uk A-1", Fate::AnswerLost);
        course.strikes(Kind::Accept, "harbour-uk A-2", Fate::Fails);
        let report = course.poll().await;
        assert_eq!(
            (report.listed, report.pages, report.waiting, report.acknowledged),
            (3, 1, 3, 1)
        );
        assert_eq!((report.recorded, report.queued, report.completed), (3, 0, true));
        assert_eq!(
            report.seconds_to_acknowledge.iter().map(|seconds| seconds.round()).collect::<Vec<_>>(),
            [30.0]
        );
        assert_eq!(
            (report.counts.get("mirakl_or21_lost"), report.counts.get("mirakl_or21_server")),
            (Some(&1), Some(&1))
        );
        assert_eq!(
            report.oldest_unacknowledged.as_secs(),
            30,
            "as far as the poller knows, two still wait"
        );
        course.pass(seconds(30)).await;
        let report = course.poll().await;
        assert_eq!(
            (report.listed, report.waiting, report.acknowledged, report.queued, report.recorded),
            (3, 1, 1, 2, 3)
        );
        // Created, and their numbers written, which Mirakl counts as a change.
        course.live(4).await;
        let report = course.poll().await;
        assert_eq!((report.waiting, report.queued, report.recorded), (0, 0, 0));
    });
}

/// An order that somebody accepted between listing and accepting is counted and is no failure.
#[test]
fn an_order_accepted_meanwhile_is_counted_not_failed() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        let meanwhile = async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            course.happens("A-1", Happening::AcceptByPerson);
        };
        let (report, ()) = futures_util::join!(course.poll(), meanwhile);
        let counts: Vec<_> = report.counts.iter().collect();
        assert_eq!(
            (report.acknowledged, counts),
            (0, vec![(&"accept_already_decided".to_owned(), &1)])
        );
        course.live(2).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
        assert_eq!(course.row("A-1").await.listing.acknowledged_at, None, "not by us");
    });
}

/// A channel that is observed accepts nothing and remembers only what Prima has.
#[test]
fn an_observed_channel_only_remembers_what_prima_has() {
    play(nothing_yet(), async |course| {
        course.sells("NEW-1");
        course.sells("REF-1");
        course.sells_with("FIRM-1", OrderState::Shipping, |_| {});
        course.sells_with("REF-2", OrderState::Shipping, |_| {});
        course.world.shop(CHANNEL, |shop| {
            shop.model.write_reference(SHOP, "REF-2", "PRIMA-REF-2", course.now())
        });
        course.set_mode(Mode::Observe);
        let report = course.poll().await;
        assert_eq!(
            (report.waiting, report.acknowledged, report.queued, report.completed),
            (2, 0, 0, true)
        );
        assert_eq!((course.calls(Kind::Accept, "").len(), course.queued()), (0, 0));
        let row = course.row("REF-2").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref()),
            (Stage::Created, Some("PRIMA-REF-2"))
        );
        assert!(row.creation.referenced_at.is_some() && row.creation.created_at.is_some());
        for unknown in ["NEW-1", "FIRM-1"] {
            let row =
                course.world.store.load_order(&OrderKey::new(CHANNEL, unknown)).await.unwrap();
            assert_eq!(row, None, "{unknown}");
        }
        // Nothing is rebuilt twice, and what cannot be saved is not taken for done.
        let version = row.version;
        course.poll().await;
        assert_eq!(course.row("REF-2").await.version, version);
        course.world.shop(CHANNEL, |shop| {
            shop.model.write_reference(SHOP, "FIRM-1", "PRIMA-3", course.now())
        });
        course.breaks(Kind::Save, "row");
        assert!(!course.poll().await.completed);
        course.is_mended();
        assert!(course.poll().await.completed);
        assert_eq!(course.stage("FIRM-1").await, Stage::Created);
        assert_eq!(course.calls(Kind::Reference, "").len(), 0);
    });
}

/// An order that cannot be read is accepted, is an exception once it is paid, and goes on when it
/// can be read.
#[test]
fn an_unreadable_order_is_accepted_then_excepted_once_paid() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.unreadable = true;
            sale.debit_after = Some(minutes(3));
        });
        let report = course.poll().await;
        assert_eq!((report.acknowledged, report.counts.get("unreadable_orders")), (1, Some(&1)));
        course.pass(minutes(1)).await;
        course.live(2).await;
        let row = course.world.store.load_order(&OrderKey::new(CHANNEL, "A-1")).await.unwrap();
        assert_eq!(row, None, "not paid yet: nothing is to be created of it");
        course.live(7).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Exception, (1, 1)));
        let exception = course.row("A-1").await.exception.unwrap();
        assert!(
            exception.reason.contains("lists the order in a way that cannot be read"),
            "{}",
            exception.reason
        );
        course.world.shop(CHANNEL, |shop| shop.make_readable("A-1", course.now()));
        course.live(7).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (1, 1)));
    });
}

/// An order that becomes unreadable before it is queued is an exception, and one in Prima is left
/// alone.
#[test]
fn an_order_turned_unreadable_is_excepted_unless_in_prima() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells_with("A-2", OrderState::WaitingAcceptance, |sale| {
            sale.debit_after = Some(minutes(4))
        });
        course.live(3).await;
        assert_eq!(
            (course.stage("A-1").await, course.stage("A-2").await),
            (Stage::Created, Stage::AwaitingPayment)
        );
        let created = course.row("A-1").await;
        for order in ["A-1", "A-2"] {
            course.world.shop(CHANNEL, |shop| shop.make_unreadable(order, course.now()));
        }
        course.live(4).await;
        assert_eq!((course.stage("A-2").await, course.told("A-2")), (Stage::Exception, (1, 1)));
        assert_eq!(course.row("A-1").await, created);
        // The row of the other cannot be read: the minute is not done, and tried again.
        course.sells_with("A-3", OrderState::Shipping, |sale| sale.unreadable = true);
        course.breaks(Kind::Load, "row harbour-uk#A-3");
        assert!(!course.poll().await.completed);
        course.is_mended();
        course.breaks(Kind::Save, "row harbour-uk#A-3");
        assert!(!course.poll().await.completed);
        course.is_mended();
        assert!(course.poll().await.completed);
        assert_eq!(course.stage("A-3").await, Stage::Exception);
    });
}

#[test]
fn what_cannot_be_queued_waits_as_a_row_for_the_next_minute() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.breaks(Kind::Send, "");
        let report = course.poll().await;
        assert_eq!((report.queued, report.completed, course.queued()), (1, false, 0));
        assert_eq!(course.stage("A-1").await, Stage::Firm);
        course.is_mended();
        let report = course.poll().await;
        assert_eq!((report.queued, report.completed, course.queued()), (1, true, 1));
        assert_eq!(course.stage("A-1").await, Stage::Queued);
    });
}

#[test]
fn a_message_that_was_lost_is_sent_again_after_five_minutes() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.poll().await;
        assert_eq!(course.queued(), 1);
        course.loses_all_messages();
        course.pass(minutes(4)).await;
        course.live(1).await;
        assert_eq!(course.stage("A-1").await, Stage::Queued);
        course.live(2).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// A cancellation whose message was lost is sent again after five minutes and not before.
#[test]
fn a_lost_cancellation_message_is_re_sent_in_five_minutes() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(3).await;
        course.happens("A-1", Happening::Cancel);
        course.poll().await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
        course.loses_all_messages();
        for _minute in 0..5 {
            course.poll().await;
            assert_eq!(course.queued(), 0);
            course.pass(minutes(1)).await;
        }
        for _minute in 0..2 {
            course.poll().await;
            course.pass(minutes(1) - seconds(1)).await;
        }
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::CancelOrder, "").len()),
            (Stage::Cancelled, 1)
        );
    });
}

#[test]
fn rows_that_somebody_else_moved_meanwhile_are_decided_anew() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(1).await;
        course.happens("A-1", Happening::Touch);
        course.pass(minutes(1)).await;
        // An operator saves the row between the poller's reading and its saving.
        course.lasts(Kind::Save, seconds(2));
        let operator = async {
            tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
            course.changes("A-1", |row| row.listing.adopted = true).await;
        };
        let (report, ()) = futures_util::join!(course.poll(), operator);
        assert!(report.completed, "{report:?}");
        let row = course.row("A-1").await;
        assert!(row.listing.adopted, "what the operator noted stands");
        assert_eq!(
            row.listing.updated,
            course.sale("A-1").order.last_updated_date,
            "and so does what was listed"
        );
    });
}

#[test]
fn references_are_written_a_hundred_at_once_and_once_a_minute() {
    play(nothing_yet(), async |course| {
        for number in 0..130 {
            course.sells(&format!("A-{number}"));
        }
        course.poll().await;
        course.pass(seconds(10)).await;
        course.poll().await;
        course.pass(seconds(200)).await;
        course.poll().await;
        assert_eq!(references(course).iter().map(Vec::len).collect::<Vec<_>>(), [100]);
        // A second run in the same minute writes none.
        course.pass(seconds(30)).await;
        course.poll().await;
        assert_eq!(references(course).len(), 1);
        // A little early is no second time in a minute.
        course.pass(seconds(16)).await;
        let report = course.poll().await;
        assert_eq!((references(course)[1].len(), report.referenced), (30, 30));
        course.pass(minutes(1)).await;
        course.poll().await;
        assert_eq!(references(course).len(), 2, "nothing is owed any more");
        let missing = (0..130)
            .filter(|number| course.sale(&format!("A-{number}")).reference().is_none())
            .count();
        assert_eq!(missing, 0);
    });
}

/// A reference that Mirakl refuses is tried after the others, and one without an answer is tried
/// again.
#[test]
fn a_refused_reference_goes_last_and_an_unanswered_one_again() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells("A-2");
        course.world.shop(CHANNEL, |shop| shop.refuse_references_of("A-1"));
        course.live(2).await;
        let first = course.row("A-1").await.since;
        course.strikes(Kind::Reference, "", Fate::Fails);
        let report = course.poll().await;
        assert_eq!(
            (report.counts.get("mirakl_or04_server"), report.referenced),
            (Some(&1), 0),
            "{:?}",
            report.counts
        );
        course.pass(minutes(1)).await;
        let report = course.poll().await;
        assert_eq!(
            (report.counts.get("references_refused"), report.referenced),
            (Some(&1), 1),
            "{:?}",
            report.counts
        );
        assert_eq!(
            (course.stage("A-1").await, course.row("A-1").await.creation.referenced_at),
            (Stage::Created, None)
        );
        assert!(course.row("A-1").await.since > first, "to the end of the line");
        assert!(course.row("A-2").await.creation.referenced_at.is_some());
        // It is tried on, and a person is told, once, even where the bus was down.
        course.breaks(Kind::Publish, "");
        course.live(5).await;
        course.is_mended();
        assert_eq!(course.events(EventKind::ReferenceRefused), []);
        course.live(60).await;
        let told = course.events(EventKind::ReferenceRefused);
        assert_eq!(
            (told.len(), told[0].order.as_deref(), told[0].needs_person),
            (1, Some("A-1"), true)
        );
        assert!(told[0].reason.contains("number A-1"), "{}", told[0].reason);
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (0, 0)));
    });
}

/// One reference for which Mirakl refuses a whole call holds no other back.
#[test]
fn a_reference_failing_its_whole_call_delays_no_other() {
    play(nothing_yet(), async |course| {
        let all: Vec<String> = (1..=30).map(|number| format!("A-{number:02}")).collect();
        course.world.shop(CHANNEL, |shop| shop.refuse_calls_that_name("A-02"));
        all.iter().for_each(|order_id| course.sells(order_id));
        course.live(75).await;
        for order_id in &all {
            assert_eq!(
                course.row(order_id).await.creation.referenced_at.is_some(),
                order_id != "A-02",
                "{order_id}"
            );
        }
        // Those that are sold later do not wait for it either.
        course.sells("B-1");
        course.live(6).await;
        assert!(course.row("B-1").await.creation.referenced_at.is_some());
        course.live(60).await;
        let told = course.events(EventKind::ReferenceRefused);
        assert_eq!((told.len(), told[0].order.as_deref()), (1, Some("A-02")), "{told:?}");
        assert!(told[0].reason.contains("HTTP 400 a reference is not valid"), "{}", told[0].reason);
        assert_eq!(course.events(EventKind::OperationFails), [], "it works for the others");
        let calls = course.calls(Kind::Reference, "").len();
        course.live(60).await;
        assert!(course.calls(Kind::Reference, "").len() - calls <= 7, "it is tried on, politely");
    });
}

/// An order that lost a part before its number was written gets its number all the same.
#[test]
fn a_lost_part_does_not_keep_an_order_from_its_number() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.pass(seconds(5)).await;
        course.poll().await;
        course.pass(seconds(20)).await;
        assert_eq!(course.in_prima("A-1").len(), 1);
        course.happens("A-1", Happening::CancelPiece);
        course.breaks(Kind::Reference, "");
        course.live(2).await;
        assert_eq!(course.stage("A-1").await, Stage::Exception);
        assert_eq!(course.sale("A-1").reference(), None);
        course.is_mended();
        course.live(6).await;
        assert_eq!(course.sale("A-1").reference(), Some("A-1"));
        let writes = references(course).len();
        course.live(11).await;
        assert_eq!(references(course).len(), writes, "written once it is written");
        assert_eq!(
            course.stage("A-1").await,
            Stage::Exception,
            "the person still has to reduce the order in Prima"
        );
    });
}

/// An order for which OR04 fails keeps nobody back who is sold while it is the only one.
#[test]
fn the_only_bad_reference_holds_no_later_one_back() {
    play(nothing_yet(), async |course| {
        course.world.shop(CHANNEL, |shop| shop.refuse_calls_that_name("A-1"));
        course.sells("A-1");
        course.live(45).await;
        assert_eq!(course.row("A-1").await.creation.referenced_at, None);
        course.sells("B-1");
        course.live(15).await;
        assert!(course.row("B-1").await.creation.referenced_at.is_some());
    });
}

/// An order whose dispatch is an exception before its number was written gets it too.
#[test]
fn a_dispatch_exception_does_not_prevent_the_number() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.breaks(Kind::Reference, "");
        course.live(3).await;
        assert_eq!(course.in_prima("A-1").len(), 1);
        let now = course.world.now();
        let fails = |row: &mut OrderRow| {
            row.fail(ExceptionKind::UnmappedCarrier, "no entry", "map it", now);
            row.exception.as_mut().unwrap().told = shared::domain::notify::Told::at(now);
        };
        course.changes("A-1", fails).await;
        course.live(1).await;
        course.is_mended();
        course.live(6).await;
        assert_eq!(
            (course.sale("A-1").reference(), course.stage("A-1").await),
            (Some("A-1"), Stage::Exception)
        );
        let writes = references(course).len();
        course.live(11).await;
        assert_eq!(references(course).len(), writes, "written once it is written");
    });
}

/// However many exceptions there are, each has its turn to be asked whether it owes its number.
#[test]
fn an_exception_behind_a_hundred_others_gets_its_number() {
    play(nothing_yet(), async |course| {
        course.sells("Z-1");
        course.breaks(Kind::Reference, "");
        course.live(3).await;
        assert_eq!(course.in_prima("Z-1").len(), 1);
        let now = course.now();
        let fails = |row: &mut OrderRow| {
            row.fail(ExceptionKind::UnmappedCarrier, "no entry", "map it", now);
            row.exception.as_mut().unwrap().told = shared::domain::notify::Told::at(now);
        };
        course.changes("Z-1", fails).await;
        // Older ones, whose numbers Mirakl holds.
        for number in 0..150 {
            let mut other = course.row("Z-1").await;
            other.key = OrderKey::new(CHANNEL, format!("E-{number:03}"));
            (other.version, other.since) = (0, before(now, minutes(60)));
            other.creation.order_number = Some(other.key.order_id.clone());
            other.creation.referenced_at = Some(now);
            course.world.store.save_order(&mut other).await.unwrap();
        }
        course.is_mended();
        course.live(6).await;
        assert_eq!(course.sale("Z-1").reference(), Some("Z-1"));
    });
}

/// An order shipped in Mirakl before its number was written gets it too.
#[test]
fn shipping_in_mirakl_does_not_prevent_the_number() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.pass(seconds(5)).await;
        course.poll().await;
        course.pass(seconds(20)).await;
        course.happens("A-1", Happening::Ship);
        course.live(12).await;
        assert_eq!(
            (course.sale("A-1").reference(), course.stage("A-1").await),
            (Some("A-1"), Stage::Shipped)
        );
    });
}

/// A run that is nearly over leaves rows to the next and says so.
#[test]
fn a_run_short_of_time_leaves_rows_and_says_so() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        // The hard deadline is 55 s after the beginning, and rows are saved until 8 s before it.
        course.lasts(Kind::Accept, seconds(46));
        course.lasts(Kind::Load, seconds(1));
        let report = course.poll().await;
        assert_eq!((report.acknowledged, report.recorded, report.completed), (1, 0, false));
        assert_eq!(report.counts.get("store_failures"), Some(&1), "{:?}", report.counts);
        course.lasts(Kind::Accept, seconds(1));
        course.live(3).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// The queue holds the order itself, and the oldest come first while a probe is all that may go.
#[test]
fn the_queue_holds_whole_orders_and_the_oldest_is_the_probe() {
    play(nothing_yet(), async |course| {
        for (number, id) in ["A-1", "A-2", "A-3"].into_iter().enumerate() {
            course.sells(id);
            course.pass(seconds(number as u64 + 1)).await;
        }
        course.opens_breaker("OrderStatus", seconds(0)).await;
        course.poll().await;
        course.poll().await;
        assert_eq!(course.queued(), 1);
        let deliveries =
            course.world.queue.borrow_mut().receive(course.now(), 10, minutes(30), |_| None);
        let system_tests::world::queue::Body::Order(message) = &deliveries[0].body else {
            panic!("no order")
        };
        assert_eq!((message.channel.as_str(), message.order_id.as_str()), (CHANNEL, "A-1"));
        let OrderTask::Create { order } = &message.task else { panic!("{:?}", message.task) };
        assert_eq!(**order, course.sale("A-1").order);
        assert_eq!(course.stage("A-2").await, Stage::Firm);
    });
}

#[test]
fn a_cancellation_that_cannot_be_read_is_a_cancellation() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells_with("A-2", OrderState::WaitingAcceptance, |sale| {
            sale.debit_after = Some(minutes(30))
        });
        course.sells_with("A-3", OrderState::WaitingAcceptance, |sale| {
            sale.debit_after = Some(minutes(30))
        });
        course.live(4).await;
        assert_eq!(
            (course.stage("A-1").await, course.stage("A-2").await),
            (Stage::Created, Stage::AwaitingPayment)
        );
        for order in ["A-1", "A-2", "A-3"] {
            course.happens(order, Happening::Cancel);
            course.world.shop(CHANNEL, |shop| shop.make_unreadable(order, course.now()));
        }
        course.breaks(Kind::Load, "row harbour-uk#A-3");
        assert!(!course.poll().await.completed);
        course.is_mended();
        course.live(6).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
        assert_eq!(
            (course.stage("A-2").await, course.stage("A-3").await),
            (Stage::Cancelled, Stage::Cancelled)
        );
        assert_eq!((course.told("A-1"), course.told("A-2")), ((0, 0), (0, 0)));
    });
}

/// An order keyed by hand before the take-over that could not be read is not created when it can.
#[test]
fn a_hand_keyed_old_order_is_not_created_once_readable() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::Shipping, |sale| {
            sale.unreadable = true;
            sale.order.created = shared::kit::clock::before(sale.order.created, minutes(600));
        });
        course.live(3).await;
        let exception = course.row("A-1").await.exception.unwrap();
        assert!(
            exception
                .remedy
                .contains("exceptions settle harbour-uk A-1 --as keyed-by-hand --note TEXT"),
            "{}",
            exception.remedy
        );
        course.world.shop(CHANNEL, |shop| shop.make_readable("A-1", course.now()));
        course.live(7).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1").len()),
            (Stage::KeyedByHand, 0)
        );
    });
}

/// An order too long for the queue is an exception and not tried every minute.
#[test]
fn an_order_beyond_the_queues_size_is_excepted_not_retried() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::Shipping, |sale| {
            let line = sale.order.lines[0].clone();
            for number in 10..1000 {
                let order_line_id = format!("A-1-{number}");
                let line = simulators::mirakl::OrderLine { order_line_id, ..line.clone() };
                sale.order.lines.push(line);
            }
        });
        course.live(10).await;
        let exception = course.row("A-1").await.exception.unwrap();
        assert_eq!((exception.kind, course.told("A-1")), (ExceptionKind::TooLarge, (1, 1)));
        assert!(
            exception
                .remedy
                .contains("exceptions settle harbour-uk A-1 --as keyed-by-hand --note TEXT"),
            "{}",
            exception.remedy
        );
        let sent = course.calls(Kind::Send, "A-1").len();
        course.live(10).await;
        assert_eq!((sent, course.calls(Kind::Send, "A-1").len()), (1, 1));
    });
}

/// Numbers that shipped and exceptional orders may still owe are looked for every minute.
#[test]
fn owed_numbers_of_shipped_orders_are_sought_every_minute() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(11).await;
        let listings = course.listings();
        let by_state = listings.iter().filter(|full| **full).count();
        assert_eq!((listings.len(), by_state), (11, 3));
        assert_eq!(
            course.calls(Kind::Index, "harbour-uk created-reference-pending").len(),
            11 + by_state,
            "and once more for what is absent"
        );
        assert_eq!(course.calls(Kind::Index, "harbour-uk shipped-reference-pending").len(), 11);
    });
}
