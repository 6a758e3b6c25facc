//! The channels' documents as the simulated functions read them.

use std::any::Any;

use shared::domain::channel_documents::ChannelDocument;

/// A document of the world, in the type that is asked for; `None` where it is of another.
pub(crate) fn as_asked<D: ChannelDocument>(document: &dyn Any) -> Option<D> {
    document.downcast_ref::<D>().cloned()
}
