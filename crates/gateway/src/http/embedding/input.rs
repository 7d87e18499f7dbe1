//! What a request for embeddings says: OpenAI's fields, none of them left aside in silence.

use {
    crate::{
        embedder::{Embedder, ModelCard, TokenRow},
        http::error::ApiError,
        refusal::Refusal,
    },
    serde::{
        Deserialize, Deserializer,
        de::{self, SeqAccess, Visitor},
    },
    std::fmt,
};

/// Most inputs of a request; OpenAI's own limit.
pub const MAX_INPUTS: usize = 2048;
/// Most tokens of a list of them: no model that is refereed reads more.
const MAX_TOKENS: usize = 32_768;

/// A request for embeddings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingRequest {
    /// The model's name or address.
    pub model: String,
    /// What is to be embedded.
    pub input: Input,
    /// How vectors are written.
    pub encoding_format: Option<Encoding>,
    dimensions: Option<u64>,
    /// Whom the application serves: nothing follows from it here.
    #[serde(rename = "user")]
    _user: Option<String>,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As base64 of little-endian float32.
    Base64,
}

/// What is to be embedded. A text or a list of token ids by itself counts as a list of one.
#[derive(Debug)]
pub enum Input {
    /// Texts.
    Texts(Vec<String>),
    /// Token ids as the model reads them, with its special ones.
    Tokens(Vec<Vec<u32>>),
}

impl Input {
    /// How many inputs there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }
}

impl EmbeddingRequest {
    /// The rows that a model is to read. The model is the one that the request names.
    ///
    /// # Errors
    /// What is wrong with the request, by its field.
    pub async fn rows(
        &self,
        card: &ModelCard,
        embedder: &dyn Embedder,
    ) -> Result<Vec<TokenRow>, ApiError> {
        self.check_dimensions(card)?;
        match &self.input {
            Input::Texts(texts) => {
                if let Some(index) = texts.iter().position(String::is_empty) {
                    return Err(ApiError::field(
                        "input",
                        format!("input[{index}] is empty; leave it out or send a text"),
                    ));
                }
                let rows = embedder.tokenize(&card.name, texts.clone()).await?;
                match rows.len() == texts.len() {
                    true => Ok(rows),
                    false => Err(ApiError::internal("the tokenizer lost a text")),
                }
            }
            Input::Tokens(lists) => {
                let rows = lists.iter().enumerate();
                rows.map(|(index, ids)| check_tokens(index, ids, card))
                    .collect()
            }
        }
    }

    fn check_dimensions(&self, card: &ModelCard) -> Result<(), ApiError> {
        let is_other = |wanted: u64| usize::try_from(wanted) != Ok(card.dimensions);
        match self.dimensions {
            Some(wanted) if is_other(wanted) => Err(ApiError::field(
                "dimensions",
                format!(
                    "the vectors of `{}` have {} dimensions, and what was checked is not cut; leave `dimensions` out",
                    card.name, card.dimensions
                ),
            )
            .code("dimensions_unsupported")),
            _ => Ok(()),
        }
    }
}

fn check_tokens(index: usize, ids: &[u32], card: &ModelCard) -> Result<TokenRow, ApiError> {
    let refusal = if ids.is_empty() || ids.len() > card.max_tokens {
        Refusal::BadLength {
            row: index,
            tokens: ids.len(),
            most: card.max_tokens,
        }
    } else if let Some(token) = ids.iter().find(|id| **id >= card.vocabulary) {
        Refusal::BadToken {
            row: index,
            token: *token,
            vocabulary: card.vocabulary,
        }
    } else {
        return Ok(TokenRow { ids: ids.to_vec() });
    };
    Err(refusal.into())
}

const KINDS: &str = "a text, a list of texts, a list of token ids or a list of such lists";

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Input;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(KINDS)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input::Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Input, A::Error> {
                match items.next_element::<Item>()? {
                    None => Err(de::Error::custom(
                        "it is an empty list; send at least one input",
                    )),
                    Some(Item::Text(first)) => {
                        collect(first, items, MAX_INPUTS, Item::text).map(Input::Texts)
                    }
                    Some(Item::Row(first)) => {
                        collect(first, items, MAX_INPUTS, Item::row).map(Input::Tokens)
                    }
                    Some(Item::Token(first)) => {
                        let ids = collect(first, items, MAX_TOKENS, Item::token)?;
                        Ok(Input::Tokens(vec![ids]))
                    }
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The rest of a list whose items are all of one kind.
fn collect<'de, T, A: SeqAccess<'de>>(
    first: T,
    mut items: A,
    most: usize,
    of_kind: fn(Item) -> Option<T>,
) -> Result<Vec<T>, A::Error> {
    let mut found = vec![first];
    while let Some(item) = items.next_element::<Item>()? {
        if found.len() == most {
            return Err(de::Error::custom(format!(
                "it has more than {most} items; split it, or use a batch"
            )));
        }
        let Some(item) = of_kind(item) else {
            return Err(de::Error::custom(format!(
                "item {} is of another kind than the first; send {KINDS}",
                found.len()
            )));
        };
        found.push(item);
    }
    Ok(found)
}

/// An item of a list.
enum Item {
    Text(String),
    Token(u32),
    Row(Vec<u32>),
}

impl Item {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn token(self) -> Option<u32> {
        match self {
            Self::Token(id) => Some(id),
            _ => None,
        }
    }

    fn row(self) -> Option<Vec<u32>> {
        match self {
            Self::Row(ids) => Some(ids),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a token id (a whole number below 2^32) or a list of token ids")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
                Ok(Item::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Item, E> {
                Ok(Item::Text(text))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Item, E> {
                u32::try_from(id)
                    .map(Item::Token)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(id), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = items.next_element::<u32>()? {
                    if ids.len() == MAX_TOKENS {
                        return Err(de::Error::custom(format!(
                            "it has more than {MAX_TOKENS} tokens; shorten it"
                        )));
                    }
                    ids.push(id);
                }
                Ok(Item::Row(ids))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::http::json, serde_json::json};

    fn read(input: serde_json::Value) -> Result<Input, ApiError> {
        let body = json!({"model": "m", "input": input}).to_string();
        json::parse::<EmbeddingRequest>(body.as_bytes()).map(|request| request.input)
    }

    #[test]
    fn inputs_of_every_kind_are_read() {
        assert!(matches!(read(json!("a")).unwrap(), Input::Texts(texts) if texts == ["a"]));
        assert!(
            matches!(read(json!(["a", "b"])).unwrap(), Input::Texts(texts) if texts == ["a", "b"])
        );
        assert!(matches!(read(json!([1, 2])).unwrap(), Input::Tokens(rows) if rows == [[1, 2]]));
        assert!(
            matches!(read(json!([[1], [2, 3]])).unwrap(), Input::Tokens(rows) if rows == [vec![1], vec![2, 3]])
        );
    }

    #[test]
    fn other_inputs_are_refused_by_name() {
        let many = vec!["a"; MAX_INPUTS + 1];
        for (input, word) in [
            (json!([]), "empty list"),
            (json!(null), "invalid type"),
            (json!(3), "invalid type"),
            (json!({"a": 1}), "invalid type"),
            (json!(["a", 1]), "another kind"),
            (json!([1, "a"]), "another kind"),
            (json!([[1], 1]), "another kind"),
            (json!([-1]), "-1"),
            (json!([1.5]), "1.5"),
            (json!([4_294_967_296_u64]), "4294967296"),
            (json!([["a"]]), "invalid type"),
            (json!([null]), "invalid type"),
            (json!(many), "more than 2048"),
        ] {
            let error = read(input).unwrap_err();
            let detail = error.detail();
            assert_eq!(detail.param.as_deref(), Some("input"), "{detail:?}");
            assert!(detail.message.contains(word), "{detail:?}");
        }
    }

    #[test]
    fn wrong_fields_are_named() {
        for (body, param) in [
            (json!({"input": "a"}), Some("model")),
            (json!({"model": "m"}), Some("input")),
            (
                json!({"model": "m", "input": "a", "extra": 1}),
                Some("extra"),
            ),
            (json!({"model": 1, "input": "a"}), Some("model")),
            (
                json!({"model": "m", "input": "a", "encoding_format": "x"}),
                Some("encoding_format"),
            ),
            (
                json!({"model": "m", "input": "a", "dimensions": "x"}),
                Some("dimensions"),
            ),
            (json!({"model": "m", "input": "a", "user": 1}), Some("user")),
            (json!([]), None),
        ] {
            let error = json::parse::<EmbeddingRequest>(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.detail().param.as_deref(), param, "{body} {error:?}");
        }
        for text in ["", "{", "nonsense", "{\"model\": \"m\"} {}"] {
            let error = json::parse::<EmbeddingRequest>(text.as_bytes()).unwrap_err();
            assert_eq!(error.status().as_u16(), 400, "{text}");
        }
    }
}
