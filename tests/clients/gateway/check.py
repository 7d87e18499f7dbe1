#!/usr/bin/env python3
"""Uses the gateway through OpenAI's own library, as an application does: two variables and nothing else.

    OPENAI_BASE_URL=… OPENAI_API_KEY=… check.py MODEL ROWS

ROWS is how many requests the batch has.
"""

import io
import json
import math
import os
import struct
import sys
import time
import urllib.request

import openai

MODEL, ROWS = sys.argv[1], int(sys.argv[2])
PATIENCE = 900
client = openai.OpenAI(max_retries=0, timeout=120)


def word(number: int) -> str:
    """One of the words that the model knows."""
    return f"w{4 + number % 116}"


def text(number: int) -> str:
    return " ".join(word(number // place) for place in (1, 116, 13456))


def singles(vector) -> bytes:
    """Its numbers as the float32 that they are: in base64 they come as such, as JSON in the fewest digits that tell them."""
    return struct.pack(f"{len(vector)}f", *vector)


def embed(wanted, **more) -> list:
    """The vectors of some inputs."""
    return [singles(item.embedding) for item in client.embeddings.create(model=MODEL, input=wanted, **more).data]


def spent() -> list:
    """What was paid so far, newest first."""
    url = os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/quern/v1/spending?limit=10000"
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["data"]


def refused(kind, ask, words: str, param=None):
    """The exception that the library makes of a refusal."""
    try:
        ask()
    except kind as error:
        assert words in error.message, error.message
        assert error.param == param, error.param
        assert error.request_id.startswith("req_"), error.request_id
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def models():
    listed = client.models.list().data
    assert [model.id for model in listed] == [MODEL], listed
    model = client.models.retrieve(MODEL)
    assert model.object == "model" and model.quern["assurance"] == "refereed", model
    assert int(model.quern["price"]["row_atoms"]) > 0, model
    return model.quern["dimensions"]


def embeddings(dimensions: int):
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="w5 w9")
    assert raw.headers["quern-assurance"] == "refereed" and raw.headers["quern-job"], raw.headers
    assert 0 < float(raw.headers["quern-checked"]) <= 1, raw.headers
    one = raw.parse()
    vector = one.data[0].embedding
    assert one.object == "list" and one.model == MODEL and one.usage.total_tokens == 4, one
    assert len(vector) == dimensions and abs(math.hypot(*vector) - 1) < 1e-5, vector
    # The library asks for base64 unless it is told; the numbers are the same.
    floats = embed(["w7", "w5 w9"], encoding_format="float", dimensions=dimensions)
    assert floats[1] == singles(vector) and floats[0] != floats[1], floats
    # Tokens as the model reads them: [CLS] w5 w9 [SEP].
    for tokens in [1, 5, 9, 2], [[1, 5, 9, 2]]:
        assert embed(tokens) == [singles(vector)]
    return singles(vector)


def errors():
    ask = client.embeddings.create
    refused(openai.NotFoundError, lambda: ask(model="gpt-4", input="w5"), "gpt-4", "model")
    refused(openai.BadRequestError, lambda: ask(model=MODEL, input=["w5", "w5 " * 20]), "input[1] has 22 tokens", "input")
    refused(openai.BadRequestError, lambda: ask(model=MODEL, input=""), "empty", "input")
    refused(openai.BadRequestError, lambda: ask(model=MODEL, input="w5", dimensions=3), "dimensions", "dimensions")
    chat = [{"role": "user", "content": "Hello"}]
    refused(openai.NotFoundError, lambda: client.chat.completions.create(model=MODEL, messages=chat), "refereed")
    stranger = client.with_options(api_key="wrong")
    refused(openai.AuthenticationError, stranger.models.list, "API key")
    before = time.monotonic()
    # Told not to, the library does not try again.
    refused(openai.NotFoundError, lambda: client.with_options(max_retries=5).embeddings.create(model="gpt-4", input="w5"), "gpt-4", "model")
    assert time.monotonic() - before < 5


def retries(vector):
    """An answer takes longer than the client waits: it asks again, and is answered once, paid once."""
    before = len(spent())
    hasty = client.with_options(timeout=0.2, max_retries=30)
    found = hasty.embeddings.create(model=MODEL, input="w5 w9")
    assert singles(found.data[0].embedding) == vector
    assert len(spent()) == before + 1, "the repetition was paid, too"
    # A name of the application's own.
    jobs = set()
    for _ in range(3):
        named = client.embeddings.with_raw_response.create(model=MODEL, input="w6", extra_headers={"Idempotency-Key": "mine"})
        jobs.add(named.headers["quern-job"])
    assert len(jobs) == 1 and len(spent()) == before + 2
    other = lambda: client.embeddings.create(model=MODEL, input="w7", extra_headers={"Idempotency-Key": "mine"})
    refused(openai.ConflictError, other, "another request")


def line(name: str, body: dict) -> str:
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": body}) + "\n"


def batch():
    lines = [line(f"request-{number}", {"model": MODEL, "input": text(number)}) for number in range(ROWS)]
    lines.insert(3, "this is no request\n")
    lines.insert(7, line("long", {"model": MODEL, "input": "w5 " * 20}))
    data = "".join(lines).encode()
    file = client.files.create(file=("requests.jsonl", io.BytesIO(data)), purpose="batch")
    assert file.bytes == len(data) and file.purpose == "batch"
    assert client.files.content(file.id).read() == data
    before, began = len(spent()), time.monotonic()
    made = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"for": "check.py"}
    )
    while made.status in ("validating", "in_progress", "finalizing"):
        assert time.monotonic() - began < PATIENCE, made
        time.sleep(0.2)
        made = client.batches.retrieve(made.id)
    took = time.monotonic() - began
    assert made.status == "completed" and made.metadata == {"for": "check.py"}, made
    counts = made.request_counts
    assert (counts.total, counts.completed, counts.failed) == (ROWS + 2, ROWS, 2), counts
    answers = [json.loads(text) for text in client.files.content(made.output_file_id).text.splitlines()]
    assert [answer["custom_id"] for answer in answers] == [f"request-{number}" for number in range(ROWS)]
    assert all(answer["response"]["status_code"] == 200 for answer in answers)
    for number in 0, ROWS // 2, ROWS - 1:
        assert embed(text(number)) == [singles(answers[number]["response"]["body"]["data"][0]["embedding"])]
    bad = [json.loads(text) for text in client.files.content(made.error_file_id).text.splitlines()]
    assert [(one["custom_id"], bool(one["error"])) for one in bad] == [(None, True), ("long", False)], bad
    assert bad[1]["response"]["body"]["error"]["code"] == "context_length_exceeded", bad
    assert made.id in [one.id for one in client.batches.list(limit=1)]
    refused(openai.ConflictError, lambda: client.batches.cancel(made.id), "completed")
    for id in file.id, made.output_file_id, made.error_file_id:
        assert client.files.delete(id).deleted
    jobs = len(spent()) - before - 3
    print(f"a batch of {ROWS} rows in {jobs} jobs took {took:.1f} s, {ROWS / took:.0f} rows a second")


def main() -> None:
    vector = embeddings(models())
    errors()
    retries(vector)
    batch()
    print(f"openai {openai.__version__} of Python works with the gateway")


if __name__ == "__main__":
    main()
