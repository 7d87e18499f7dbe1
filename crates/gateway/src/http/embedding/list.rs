//! Vectors as they are written.

use {
    super::input::Encoding,
    base64::{Engine as _, engine::general_purpose::STANDARD},
    quern_api::openai::{Embedding, EmbeddingList, Usage, Vector},
};

/// Vectors in OpenAI's shape.
pub fn list<'a>(
    vectors: impl Iterator<Item = &'a Vec<f32>>,
    tokens: u64,
    model: &str,
    encoding: Encoding,
) -> EmbeddingList {
    let embedding = |(index, vector): (usize, &Vec<f32>)| Embedding {
        object: "embedding".to_owned(),
        index,
        embedding: encoded(vector, encoding),
    };
    EmbeddingList {
        object: "list".to_owned(),
        data: vectors.enumerate().map(embedding).collect(),
        model: model.to_owned(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    }
}

fn encoded(vector: &[f32], encoding: Encoding) -> Vector {
    match encoding {
        Encoding::Float => Vector::Floats(vector.to_vec()),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            Vector::Base64(STANDARD.encode(bytes))
        }
    }
}
