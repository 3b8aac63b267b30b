"""Check the outputs and write the table: assemble.py name=version=outputs.tsv ... > naver_signatures.json."""

import base64
import json
import sys
from pathlib import Path

import bcrypt
from make_inputs import ALPHABET, PREFIXES, PUBLISHED, inputs

FIELDS = ("group", "client_id", "client_secret", "timestamp", "raw", "signature")
EXPECTED = "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy"


def canonical(secret: str) -> str:
    return secret[:28] + ALPHABET[ALPHABET.index(secret[28]) & 0b110000]


implementations, vectors, seen = {}, [], {}
for argument in sys.argv[1:]:
    name, version, path = argument.split("=", 2)
    lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    rows = [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]
    assert [tuple(r.values())[:4] for r in rows] == [(*i[:3], str(i[3])) for i in inputs(name)], name
    implementations[name] = {"version": version, "prefixes": [f"$2{p}$" for p in PREFIXES[name]]}
    for r in rows:
        secret, raw, r["timestamp"] = r["client_secret"], r["raw"], int(r["timestamp"])
        password = f"{r['client_id']}_{r['timestamp']}".encode()
        assert len(password) <= 72, r
        assert len(raw) == 60, r
        assert raw[:29] == canonical(secret), r  # the echo of the 22nd character is canonical
        assert bcrypt.hashpw(password, canonical(secret).encode()) == raw.encode(), r
        assert base64.b64encode(raw.encode()).decode() == r["signature"], r
        assert (r["group"] != "published") or (r["signature"] == EXPECTED and r["client_id"] == PUBLISHED[1])
        assert seen.setdefault((password, secret), raw) == raw, r  # the implementations agree
        vectors.append({"implementation": name} | r)

print('{\n "implementations": {')
print(",\n".join(f"  {json.dumps(name)}: {json.dumps(about)}" for name, about in implementations.items()))
print(' },\n "vectors": [')
print(",\n".join("  " + json.dumps(v) for v in vectors))
print(" ]\n}")
