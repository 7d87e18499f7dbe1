#!/usr/bin/env python3
"""Checked sentence vectors in LangChain: finds the sentence that is nearest to a question.

    pip install -r requirements.txt
    export OPENAI_BASE_URL=http://127.0.0.1:8411/v1 OPENAI_API_KEY=$(cat ~/.local/share/quern/gateway/http/api-key)
    embeddings.py MODEL QUESTION SENTENCE…

`check_embedding_ctx_length=False` makes LangChain send texts. Without it, it sends the tokens of OpenAI's models, which no
other model reads.
"""

import sys

from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings


def main() -> None:
    model, question, *sentences = sys.argv[1:]
    embeddings = OpenAIEmbeddings(model=model, check_embedding_ctx_length=False)
    store = InMemoryVectorStore.from_texts(sentences, embeddings)
    for document, likeness in store.similarity_search_with_score(question, k=len(sentences)):
        print(f"{likeness:.4f}  {document.page_content}")


if __name__ == "__main__":
    main()
