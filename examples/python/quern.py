"""What a client of Quern needs beside solders: instructions and accounts out of the IDL, events, errors, roots of tensors."""

import base64
import hashlib
import json
import re
import time
import urllib.request
from pathlib import Path

from borsh import Borsh
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction

NOBODY = Pubkey.default()
# Events are instructions that the program sends to itself: this tag, the event's discriminator, Borsh.
EVENT_TAG = bytes.fromhex("e445a52e51cb9a1d")
CONFIRM_SECS = 60


class Refused(Exception):
    """The node or the program refused."""


class Client:
    """The program as one wallet sees it. For another deployment replace the address everywhere in the IDL's text."""

    def __init__(self, idl: str, url: str, wallet: Keypair):
        self.idl, self.url, self.wallet = json.loads(idl), url, wallet
        self.id = Pubkey.from_string(self.idl["address"])
        self.borsh = Borsh(self.idl)

    def call(self, method: str, *params):
        """Asks the node."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        if "error" in answer:
            raise Refused(self.explain(json.dumps(answer["error"])))
        return answer["result"]

    def explain(self, error: str) -> str:
        """The sentence of the program's error."""
        code = re.search(r"custom program error: 0x([0-9a-f]+)", error)
        known = [known for known in self.idl["errors"] if code and known["code"] == int(code.group(1), 16)]
        return f"{known[0]['name']}: {known[0]['msg']}" if known else error

    def described(self, section: str, name: str) -> dict:
        """What the IDL says of a name."""
        return next(known for known in self.idl[section] if known["name"] == name)

    def constant(self, name: str) -> int:
        """A number that the IDL names: `JOB_STATE_OPEN`."""
        return int(self.described("constants", name)["value"])

    def address(self, *seeds: "str | Pubkey | bytes") -> Pubkey:
        """An address of the program."""
        raw = [seed.encode() if isinstance(seed, str) else bytes(seed) for seed in seeds]
        return Pubkey.find_program_address(raw, self.id)[0]

    def purse(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        """The purse of an owner in a mint: the owner stands first."""
        return self.address("purse", owner, mint)

    def purses(self, owners: "list[Pubkey]", mint: Pubkey, is_writable: bool) -> "list[AccountMeta]":
        """Purses as remaining accounts: each once, none of nobody."""
        keys = dict.fromkeys(self.purse(owner, mint) for owner in owners if owner != NOBODY)
        return [AccountMeta(key, is_signer=False, is_writable=is_writable) for key in keys]

    def fetch(self, kind: str, address: Pubkey) -> "dict | None":
        """A decoded account, or None where there is none."""
        found = self.call("getAccountInfo", str(address), {"encoding": "base64", "commitment": "confirmed"})["value"]
        if found is None:
            return None
        data = base64.b64decode(found["data"][0])
        if data[:8] != bytes(self.described("accounts", kind)["discriminator"]):
            raise Refused(f"{address} is no {kind}")
        return self.borsh.read({"defined": {"name": kind}}, data[8:])

    def send(self, name: str, args: "dict | None" = None, remaining=(), **accounts: "Pubkey | None") -> str:
        """Sends an instruction and waits for it. Accounts that the IDL tells how to find may be left out."""
        described = self.described("instructions", name)
        values = args or {}
        for account in described["accounts"]:
            self._find(account["name"], described, accounts, values)
        metas = []
        for account in described["accounts"]:
            # Anchor's sign for an optional account that is not given is the program's address.
            key, is_there = accounts[account["name"]] or self.id, accounts[account["name"]] is not None
            is_writable = is_there and account.get("writable", False)
            metas.append(AccountMeta(key, is_signer=account.get("signer", False), is_writable=is_writable))
        data = bytes(described["discriminator"])
        data += b"".join(self.borsh.write(arg["type"], values[arg["name"]]) for arg in described["args"])
        return self._confirmed(Instruction(self.id, data, metas + list(remaining)))

    def _confirmed(self, instruction: Instruction) -> str:
        latest = self.call("getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
        message = Message.new_with_blockhash([instruction], self.wallet.pubkey(), Hash.from_string(latest))
        raw = bytes(Transaction([self.wallet], message, Hash.from_string(latest)))
        options = {"encoding": "base64", "preflightCommitment": "confirmed"}
        signature = self.call("sendTransaction", base64.b64encode(raw).decode(), options)
        end = time.monotonic() + CONFIRM_SECS
        while time.monotonic() < end:
            status = self.call("getSignatureStatuses", [signature])["value"][0]
            if status and status["err"]:
                raise Refused(f"{signature}: {status['err']}")
            if status and status["confirmationStatus"] in ("confirmed", "finalized"):
                return signature
            time.sleep(0.1)
        raise Refused(f"{signature} was not confirmed within {CONFIRM_SECS} seconds; look it up before sending again")

    def _find(self, name: str, described: dict, accounts: dict, args: dict) -> "Pubkey | None":
        """The address of an account: given, fixed, in a field of another account, or out of seeds."""
        account = next(known for known in described["accounts"] if known["name"] == name)
        if name in accounts or account.get("optional"):
            pass
        elif "address" in account:
            accounts[name] = Pubkey.from_string(account["address"])
        elif "relations" in account:
            accounts[name] = self._field(account["relations"][0], name, described, accounts, args)[1]
        elif "pda" in account:
            seeds = [self._seed(seed, described, accounts, args) for seed in account["pda"]["seeds"]]
            accounts[name] = self.address(*seeds)
        else:
            raise TypeError(f"{described['name']} needs the account `{name}`")
        return accounts.setdefault(name, None)

    def _seed(self, seed: dict, described: dict, accounts: dict, args: dict) -> bytes:
        if seed["kind"] == "const":
            return bytes(seed["value"])
        name, _, field = seed["path"].partition(".")
        if seed["kind"] == "account":
            if not field:
                return bytes(self._find(name, described, accounts, args))
            return self.borsh.write(*self._field(name, field, described, accounts, args))
        kind, value = next(arg for arg in described["args"] if arg["name"] == name)["type"], args[name]
        if field:
            fields = self.described("types", kind["defined"]["name"])["type"]["fields"]
            kind, value = next(known for known in fields if known["name"] == field)["type"], value[field]
        return self.borsh.write(kind, value)

    def _field(self, name: str, field: str, described: dict, accounts: dict, args: dict):
        """Type and value of a field of another account of the instruction."""
        kind = "".join(word.capitalize() for word in name.split("_"))
        account = self.fetch(kind, self._find(name, described, accounts, args))
        fields = self.described("types", kind)["type"]["fields"]
        return next(known for known in fields if known["name"] == field)["type"], account[field]

    def seen(self, job: dict) -> dict:
        """What a decision about a job names: the job as its signer has read it. Nothing happens to another one."""
        states = self.constant("JOB_STATE_OPEN"), self.constant("JOB_STATE_TAKEN")
        return {"seq": job["seq"], "root": job["checkpoint" if job["state"] in states else "trace_root"]}

    def terms_hash(self, protocol: dict, royalty_owner: Pubkey, royalty_bps: int) -> bytes:
        """What a client agrees to: the protocol's terms, who earns the fee, the model's royalty and who earns it."""
        terms = self.borsh.write({"defined": {"name": "Terms"}}, protocol["terms"])
        people = bytes(protocol["treasury_owner"]) + bytes(royalty_owner)
        return hashlib.sha256(terms + people + royalty_bps.to_bytes(2, "little")).digest()

    def events(self, signature: str) -> "list[tuple[str, dict]]":
        """Names and values of the events of a transaction; `changes` names every account that it changed."""
        options = {"encoding": "json", "commitment": "confirmed", "maxSupportedTransactionVersion": 0}
        found = self.call("getTransaction", signature, options)
        loaded = found["meta"].get("loadedAddresses") or {"writable": [], "readonly": []}
        keys = found["transaction"]["message"]["accountKeys"] + loaded["writable"] + loaded["readonly"]
        calls = [call for group in found["meta"]["innerInstructions"] for call in group["instructions"]]
        # Only this program can call itself with its event authority; any other may write the same bytes.
        data = [base58(call["data"]) for call in calls if keys[call["programIdIndex"]] == str(self.id)]
        return [self._event(raw[8:]) for raw in data if raw[:8] == EVENT_TAG]

    def _event(self, raw: bytes) -> "tuple[str, dict]":
        name = next(known["name"] for known in self.idl["events"] if bytes(known["discriminator"]) == raw[:8])
        return name, self.borsh.read({"defined": {"name": name}}, raw[8:])

    def changed(self, event: dict, kind: str) -> "list[dict]":
        """Accounts of one kind out of an event: nothing has to be read from the chain."""
        code = self.constant("ENTITY_KIND_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).upper())
        after = [change["after"] for change in event["changes"] if change["kind"] == code and change["after"]]
        return [self.borsh.read({"defined": {"name": kind}}, raw) for raw in after]


def wallet(path: Path) -> Keypair:
    """A keypair file."""
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))


def base58(text: str) -> bytes:
    """Base58 as transactions have it."""
    number = 0
    for letter in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def data_root(data: bytes, rows: int, row_bytes: int) -> bytes:
    """The root of a tensor: rows of int8, int16 or int32 (little-endian), one after another."""

    def sha(*parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()

    def ceil(count: int) -> int:
        return 1 << (count - 1).bit_length()

    leaves = ceil(-(-row_bytes // 128))
    nodes = []
    for row in range(ceil(rows)):
        values = data[row * row_bytes : (row + 1) * row_bytes] if row < rows else b""
        there = [sha(b"\0", values[at : at + 128].ljust(128, b"\0")) for at in range(0, len(values), 128)]
        # Where a shape has no leaf there stand zeros in place of its hash.
        nodes += there + [bytes(32)] * (leaves - len(there))
    while len(nodes) > 1:
        nodes = [sha(b"\1", nodes[at], nodes[at + 1]) for at in range(0, len(nodes), 2)]
    return nodes[0]
