//! Whatever is logged is read: nothing of a customer may be in it.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Every name, address, telephone number and e-mail address of a simulated customer contains this,
/// in some case.
pub const MARK: &str = "zzyx";
/// What telephone numbers contain.
pub const PHONE_MARK: &str = "7700900";

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static LEAKS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PANICS: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Whether a text holds anything of a customer.
#[must_use]
pub fn is_personal(text: &str) -> bool {
    if text.contains(PHONE_MARK) {
        return true;
    }
    let bytes = text.as_bytes();
    bytes.windows(MARK.len()).any(|window| window.eq_ignore_ascii_case(MARK.as_bytes()))
}

/// Starts listening, once a process; each thread hears its own lines.
pub fn listen() {
    // A second call finds the first one's listener: the same.
    let _ = tracing::subscriber::set_global_default(Listener);
}

/// Forgets what this thread heard; `keep` keeps the lines themselves.
pub fn begin(keep: bool) {
    LEAKS.with_borrow_mut(Vec::clear);
    PANICS.set(0);
    KEPT.set(keep.then(Vec::new));
}

/// The lines with something of a customer, and the panics that were logged, since [`begin`].
#[must_use]
pub fn heard() -> (Vec<String>, u32) {
    (LEAKS.with_borrow(Clone::clone), PANICS.get())
}

/// The lines kept since the last call.
#[must_use]
pub fn lines() -> Vec<String> {
    KEPT.with_borrow_mut(|kept| kept.as_mut().map(std::mem::take).unwrap_or_default())
}

struct Listener;

struct Writer<'s>(&'s mut String);

impl Visit for Writer<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _infallible = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _infallible = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= Level::DEBUG { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            event.record(&mut Writer(line));
            if is_personal(line) {
                LEAKS.with_borrow_mut(|leaks| leaks.push(line.clone()));
            }
            if line.contains("panicked") {
                PANICS.set(PANICS.get() + 1);
            }
            KEPT.with_borrow_mut(|kept| {
                if let Some(kept) = kept {
                    kept.push(line.clone());
                }
            });
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
