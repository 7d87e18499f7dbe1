"""Borsh as the IDL describes it: what a type of the IDL has in Python, to bytes and back.

Structs are dicts by field; an enum is `{"Variant": value}`; addresses are `Pubkey`, bytes are `bytes`.
"""

import struct

from solders.pubkey import Pubkey

NUMBERS = {"bool": "?", "u8": "B", "i8": "b", "u16": "<H", "i16": "<h", "u32": "<I", "i32": "<i", "u64": "<Q", "i64": "<q"}


class Borsh:
    """Writes and reads the types of one IDL."""

    def __init__(self, idl: dict):
        self.types = {described["name"]: described["type"] for described in idl["types"]}

    def write(self, kind, value) -> bytes:
        if kind in ("string", "bytes"):
            raw = value.encode() if kind == "string" else bytes(value)
            return struct.pack("<I", len(raw)) + raw
        if kind == "pubkey":
            return bytes(value)
        if isinstance(kind, str):
            return struct.pack(NUMBERS[kind], value)
        if "option" in kind:
            return b"\0" if value is None else b"\1" + self.write(kind["option"], value)
        if "array" in kind or "vec" in kind:
            inner = kind["array"][0] if "array" in kind else kind["vec"]
            start = b"" if "array" in kind else struct.pack("<I", len(value))
            return start + b"".join(self.write(inner, item) for item in value)
        described = self.types[kind["defined"]["name"]]
        if described["kind"] == "struct":
            return self._write_fields(described["fields"], value)
        ((name, inside),) = value.items()
        at = next(at for at, variant in enumerate(described["variants"]) if variant["name"] == name)
        return bytes([at]) + self._write_fields(described["variants"][at].get("fields", []), inside)

    def _write_fields(self, fields, value) -> bytes:
        if fields and "name" not in fields[0]:
            return b"".join(self.write(kind, item) for kind, item in zip(fields, value))
        return b"".join(self.write(field["type"], value[field["name"]]) for field in fields)

    def read(self, kind, data: bytes):
        """The value at the beginning of the data. What follows it is left alone: a graph, an answer."""
        return self._read(kind, Reader(data))

    def _read(self, kind, data: "Reader"):
        if kind in ("string", "bytes"):
            raw = data.take(*struct.unpack("<I", data.take(4)))
            return raw.decode() if kind == "string" else raw
        if kind == "pubkey":
            return Pubkey(data.take(32))
        if isinstance(kind, str):
            return struct.unpack(NUMBERS[kind], data.take(struct.calcsize(NUMBERS[kind])))[0]
        if "option" in kind:
            return self._read(kind["option"], data) if data.take(1) == b"\1" else None
        if "array" in kind or "vec" in kind:
            inner = kind["array"][0] if "array" in kind else kind["vec"]
            count = kind["array"][1] if "array" in kind else struct.unpack("<I", data.take(4))[0]
            items = [self._read(inner, data) for _ in range(count)]
            return bytes(items) if inner == "u8" else items
        described = self.types[kind["defined"]["name"]]
        if described["kind"] == "struct":
            return self._read_fields(described["fields"], data)
        variant = described["variants"][data.take(1)[0]]
        return {variant["name"]: self._read_fields(variant.get("fields", []), data)}

    def _read_fields(self, fields, data: "Reader"):
        if fields and "name" not in fields[0]:
            return [self._read(kind, data) for kind in fields]
        return {field["name"]: self._read(field["type"], data) for field in fields}


class Reader:
    """Bytes that are read once, from the left."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) != count:
            raise ValueError(f"the data end at {len(self.data)}, {self.at + count} are needed")
        self.at += count
        return taken
