#!/usr/bin/env python3
"""Does reviewed jobs with a server that speaks OpenAI's chat API: Ollama, llama.cpp, vLLM. Standard library only.

    quern provider run … --worker examples/openai/worker.py --worker-check --check

The input is a text, which becomes the user's message, or a chat: {"messages": [{"role": …, "content": …}, …]} with the
settings of FROM_CLIENT beside it. The output is the answer's text, in answer.txt.

OPENAI_BASE_URL     the server, with or without /v1 [default: http://127.0.0.1:11434, Ollama's]
OPENAI_MODEL        the model that is served (needed); what a client names instead is ignored
OPENAI_API_KEY      sent as a bearer token, if the server wants one
OPENAI_TIMEOUT      longest time for an answer, in seconds [default: 600]
OPENAI_MAX_TOKENS   longest answer [default: 2048]
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

FROM_CLIENT = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "response_format")
MAX_INPUT_BYTES = 1 << 20
MAX_ANSWER_BYTES = 16 << 20
CHECK_SECS = 10
SUBMIT_SECS = 30  # left for publishing and submitting
OUTPUT = "answer.txt"


class Failure(Exception):
    """What is wrong and what to do, in one line."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: another host would get the bearer token."""

    def redirect_request(self, request, reply, code, message, headers, url):
        raise Failure(f"{request.full_url} redirects to {url}, which is not followed; set OPENAI_BASE_URL to the server itself")


OPENER = urllib.request.build_opener(NoRedirect)


def setting(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or int(text) == 0:
        raise Failure(f"{name} must be a positive whole number, not `{text}`")
    return int(text)


def base_url() -> str:
    url = (os.environ.get("OPENAI_BASE_URL") or "http://127.0.0.1:11434").rstrip("/")
    return url.removesuffix("/v1")


def call(path: str, body, timeout: float):
    """The server's answer as JSON. A body makes it a POST."""
    url = base_url() + path
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers)
        with OPENER.open(request, timeout=timeout) as reply:
            found = reply.read(MAX_ANSWER_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise Failure(f"{url} answered {error.code}: {error_message(error.read(MAX_ANSWER_BYTES))}") from error
    except TimeoutError as error:
        raise Failure(f"{url} did not answer within {timeout:.0f} s; raise OPENAI_TIMEOUT or serve a faster model") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        if isinstance(why, TimeoutError):
            raise Failure(f"{url} did not answer within {timeout:.0f} s; is the server too busy?") from error
        raise Failure(f"cannot reach {url}: {why}; start the server or correct OPENAI_BASE_URL") from error
    if len(found) > MAX_ANSWER_BYTES:
        raise Failure(f"{url} answered more than {MAX_ANSWER_BYTES} bytes")
    try:
        return json.loads(found)
    except ValueError as error:
        raise Failure(f"{url} answered no JSON; is OPENAI_BASE_URL right?") from error


def error_message(body: bytes) -> str:
    """What a server says about an error, which not every server wraps alike."""
    text = body.decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
        return error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:200] or "nothing"


def model() -> str:
    name = os.environ.get("OPENAI_MODEL")
    if not name:
        raise Failure("name the model to serve with OPENAI_MODEL")
    return name


def is_text_part(part) -> bool:
    return isinstance(part, dict) and set(part) == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str)


def is_content(content) -> bool:
    """Text only: a server would fetch what an image's address names, from within the owner's network."""
    return isinstance(content, str) or (isinstance(content, list) and bool(content) and all(map(is_text_part, content)))


def is_message(message) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str) and is_content(message.get("content"))


def request_of(path) -> dict:
    """What the server is asked: the client's text or chat, within the owner's limits."""
    if not path:
        raise Failure("the job has no input; its client names one with --text or --input")
    if os.path.getsize(path) > MAX_INPUT_BYTES:
        raise Failure(f"the input is larger than {MAX_INPUT_BYTES} bytes")
    try:
        text = Path(path).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Failure("the input is no text") from error
    try:
        chat = json.loads(text)
    except ValueError:
        chat = None
    if not isinstance(chat, dict) or "messages" not in chat:
        chat = {"messages": [{"role": "user", "content": text}]}
    messages = chat["messages"]
    if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
        raise Failure("`messages` is no list of {role, content} with a text, or parts {type: text, text}, as content")
    most = setting("OPENAI_MAX_TOKENS", 2048)
    wanted = chat.get("max_tokens")
    tokens = min(wanted, most) if isinstance(wanted, int) and wanted > 0 else most
    kept = {name: chat[name] for name in FROM_CLIENT if name in chat}
    return {"model": model(), "messages": messages, "max_tokens": tokens, "stream": False, **kept}


def check(order: dict) -> None:
    """Fails unless the settings and, of an open job, the input make sense, and the server answers."""
    for name in ("OPENAI_TIMEOUT", "OPENAI_MAX_TOKENS"):
        setting(name, 1)
    if order:
        request_of(order.get("input_file"))
    found = call("/v1/models", None, CHECK_SECS)
    listed = found.get("data") if isinstance(found, dict) else None
    names = [one.get("id") for one in listed or [] if isinstance(one, dict)]
    # Ollama lists `llama3.2:latest` and takes `llama3.2`.
    if names and not {model(), model() + ":latest"} & set(names):
        raise Failure(f"the server has no model `{model()}`; it has {', '.join(map(str, names[:9]))}; correct OPENAI_MODEL")


def work(order: dict) -> None:
    output = Path(order["folder"]) / OUTPUT
    # After a crash the same is asked again; the answer is there.
    if not output.exists():
        timeout = min(setting("OPENAI_TIMEOUT", 600), max(order["seconds_left"] - SUBMIT_SECS, 1))
        reply = call("/v1/chat/completions", request_of(order.get("input_file")), timeout)
        try:
            text = reply["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise Failure("the server's answer has no `choices[0].message.content`") from error
        if not isinstance(text, str) or not text:
            raise Failure("the server answered with no text")
        part = output.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(output)
    print(json.dumps({"output_file": OUTPUT}))


def main() -> int:
    text = sys.stdin.read()
    try:
        order = json.loads(text) if text.strip() else {}
        check(order) if sys.argv[1:] == ["--check"] else work(order)
    except Failure as failure:
        print(f"worker: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
