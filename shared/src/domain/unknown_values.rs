//! Words and forms of Prima's and Mirakl's that this version does not understand and does without:
//! each is told once, for the whole installation.

use crate::domain::events::{Event, EventBus};
use crate::domain::notify::tell;
use crate::domain::state::{CollectionState, CollectionStore, StoreError};

/// Tries of a write that another run has been quicker with.
const TRIES: usize = 4;

/// Tells of what `note` adds to the record, which is none where all of it is there already.
///
/// Recorded first, so that two runs do not tell the same. Where the bus takes nothing, the record
/// is put back: whoever meets the value next tells of it.
pub async fn tell_once(
    store: &impl CollectionStore,
    events: &impl EventBus,
    note: impl Fn(&mut CollectionState) -> Vec<Event>,
) {
    for _try in 0..TRIES {
        let Ok(mut state) = store.load_collection().await else { return };
        let known = (state.reported_words.clone(), state.reported_forms.clone());
        let news = note(&mut state);
        if news.is_empty() {
            return;
        }
        match store.save_collection(&mut state).await {
            Ok(()) if tell(events, &news).await => return,
            Ok(()) => {
                state.reported_words.retain(|word| !known.0.contains(word));
                state.reported_forms.retain(|form| !known.1.contains(form));
                let untold = (state.reported_words, state.reported_forms);
                return forget(store, &untold.0, &untold.1).await;
            }
            Err(StoreError::Conflict(_)) => {}
            Err(_) => return,
        }
    }
}

/// Takes values out of the record that nobody could be told of, whatever else moved in it.
async fn forget(store: &impl CollectionStore, words: &[String], forms: &[String]) {
    for _try in 0..TRIES {
        let Ok(mut state) = store.load_collection().await else { break };
        state.reported_words.retain(|word| !words.contains(word));
        state.reported_forms.retain(|form| !forms.contains(form));
        match store.save_collection(&mut state).await {
            Ok(()) => return,
            Err(StoreError::Conflict(_)) => {}
            Err(_) => break,
        }
    }
    tracing::error!(?words, ?forms, "not understood, and people could not be told of it");
}
