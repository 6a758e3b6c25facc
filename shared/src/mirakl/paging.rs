//! Seek paging: the listings that hand out a token for their next page (OF04, ST11, ST12, TL02,
//! SBC11). Offset paging, which is OR11's, never mixes with it (Mirakl seller API, "Pagination").

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::call::Call;
use super::caller::Caller;
use super::error::MiraklError;
use super::keys::ApiKeys;
use crate::kit::clock::Clock;

/// One page of a listing by token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct SeekPage<T> {
    /// `data`. Taken as `Box<RawValue>`, each entry can be read by itself, so that an odd one takes
    /// none of its neighbours along.
    pub data: Vec<T>,
    /// `next_page_token`: `None` where the list ends, which Mirakl says by null or by leaving it
    /// out.
    #[serde(default, deserialize_with = "token")]
    pub next_page_token: Option<String>,
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|token| !token.is_empty()))
}

/// Where a listing stands.
#[derive(Clone, Debug)]
enum Place {
    Start,
    At(String),
    End,
}

/// Goes through a listing by token, page by page.
#[derive(Clone, Debug)]
pub struct SeekPages {
    call: Call,
    place: Place,
}

impl SeekPages {
    /// Lists what `call` asks for, `limit` entries a page: 100 at most, 2000 for TL02, 1000 for
    /// SBC11. Left to itself, Mirakl gives ten.
    #[must_use]
    pub fn new(call: Call, limit: u32) -> Self {
        Self { call: call.query("limit", limit.to_string()), place: Place::Start }
    }

    /// The next page, or `None` behind the last one. After an error the same page can be asked for
    /// again.
    ///
    /// # Errors
    /// The call's; or the listing hands out the token it was given, and would not end.
    pub async fn next<T: DeserializeOwned, K: ApiKeys, C: Clock>(
        &mut self,
        caller: &Caller<K, C>,
    ) -> Result<Option<Vec<T>>, MiraklError> {
        let page: SeekPage<T> = match &self.place {
            Place::End => return Ok(None),
            Place::Start => caller.read(&self.call).await?,
            // Beside a token, Mirakl ignores every other parameter.
            Place::At(token) => {
                caller
                    .read(&Call { query: vec![("page_token", token.clone())], ..self.call.clone() })
                    .await?
            }
        };
        self.place = match (page.next_page_token, &self.place) {
            (None, _) => Place::End,
            (Some(next), Place::At(last)) if next == *last => {
                return Err(MiraklError::unknown(
                    self.call.operation,
                    "the listing's next page is the same page again",
                ));
            }
            (Some(next), _) => Place::At(next),
        };
        Ok(Some(page.data))
    }
}
