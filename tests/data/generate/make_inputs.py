"""Print the inputs for one implementation: group, client_id, client_secret, timestamp (tab-separated).

The same groups of inputs come out for every implementation, so that the results can be compared; only the
group `own` differs. Every identifier and secret is random: none was ever issued by anybody.
"""

import random
import string
import sys

ALPHABET = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits  # bcrypt's, in its order
ALPHANUMERIC = string.ascii_letters + string.digits
PREFIXES = {"bcryptjs": "aby", "bcrypt": "ab", "php": "aby", "jbcrypt": "a"}
OWN = {"bcryptjs": 21, "bcrypt": 0, "php": 21, "jbcrypt": 45}
LONGEST = 72 - len("_1643961623299")  # bytes of client_id that fill bcrypt's 72 bytes
PUBLISHED = ("published", "aaaabbbbcccc", "$2a$10$abcdefghijklmnopqrstuv", 1643961623299)
SPECIAL = [
    "a",
    "_",
    "a_b_c",
    "$2a$04$",
    "with space",
    "a+b/c=d%20&e",
    "'\"\\",
    "9" * LONGEST,
    "x" * (LONGEST - 1),
    "é",
    "상점",
    "\u1109\u1161\u11bc\u110c\u1165\u11b7",  # the same word, decomposed: it must not be normalised
    "가게_seller-01",
    "店舗",
    "ÿþý",
    "🛒",
    "가" * 19 + "a",  # 58 bytes
    "🛒" * 14 + "é",  # 58 bytes
]
LENGTHS = [22, 22, 12, 21, 22, 2, 36, 22, 40, 5, 22, 57, 58, 32, 22, 48]
COMMON_COSTS = {70: 10, 71: 10} | dict.fromkeys(range(6, 64, 8), 5) | dict.fromkeys(range(7, 64, 12), 6)


def row(rng: random.Random, group: str, index: int, prefix: str = "a", cost: int = 4, last: str = "") -> tuple:
    length = LENGTHS[index % len(LENGTHS)]
    client_id = "".join(rng.choices(ALPHANUMERIC, k=length))
    salt = "".join(rng.choices(ALPHABET, k=21)) + (last or rng.choice(ALPHABET))
    timestamp = rng.randrange(1_640_995_200_000, 1_900_000_000_000)
    return group, client_id, f"$2{prefix}${cost:02}${salt}", timestamp


def inputs(name: str) -> list[tuple]:
    rows = [PUBLISHED]
    rng = random.Random("common")
    for i in range(74):
        last = ALPHABET[i] if i < 64 else ""  # every 22nd character once
        group, client_id, secret, timestamp = row(rng, "common", i, cost=COMMON_COSTS.get(i, 4), last=last)
        if i % 4 == 1 and i // 4 < len(SPECIAL):
            client_id = SPECIAL[i // 4]
        timestamp = {72: 1_000_000_000_000, 73: 9_999_999_999_999}.get(i, timestamp)
        rows.append((group, client_id, secret, timestamp))
    for prefix in "by":
        rng = random.Random(prefix)
        shared = [row(rng, f"common-2{prefix}", i, prefix, 5 if i == 11 else 4) for i in range(12)]
        if prefix in PREFIXES[name]:
            rows += shared
    rng = random.Random(f"own {name}")
    rows += [row(rng, "own", i, cost={8: 5, 16: 6}.get(i, 4)) for i in range(OWN[name])]
    return rows


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for fields in inputs(sys.argv[1]):
        print(*fields, sep="\t")
