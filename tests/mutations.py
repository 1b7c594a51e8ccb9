"""Seeded damage to the bytes of files, for tests of what reads them."""

import contextlib
import copy
import random
import signal

import orjson

BYTES = [
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\x0c",
    b"\x85",
]
BYTES += [
    "\u2028".encode(),
    "\u0663".encode(),
    "\u00bd".encode(),
    b'"',
    b"'",
    b",",
    b":",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<",
    b">",
    b"&",
]
TOKENS = [
    "nan",
    "-nan",
    "inf",
    "-Infinity",
    "1e999",
    "1e-999",
    "-0",
    "-1",
    "1_0",
    "0x1",
    "1e5",
    "00.5",
    "+.5",
    "5.",
    ".",
    "-",
]
TOKENS += [
    "e",
    "1e",
    "true",
    "null",
    "None",
    "99999999999999999999",
    "0.5.5",
    "0,5",
    "\u0663",
    "",
    "x",
    "[0",
    "0]",
    "1.0",
]
TOKENS += ["0.9999999999999999999", "1" * 400, "0." + "3" * 400, "--1", "+-1", "1e+", "\u22120.5", "\x000", "0.5\x00"]
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    0.5,
    -0.0,
    1e308,
    1e-308,
    "",
    "1",
    "x",
    "../x",
    "nan",
    "a.jpg",
]
VALUES += [
    [],
    {},
    [None],
    [[]],
    [[1, 2]],
    [1, 2, 3, 4],
    [[1, 2], [3]],
    {"size": [3, 3], "counts": "x"},
    "\u0000",
    "\ud7ff" * 9,
]


def damaged(data, rng):
    """The bytes with one to four random changes: flipped, cut, doubled, put in, moved."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice([1, 1, 2, 4, 16, 100]))
        match rng.randrange(8):
            case 0:
                out[at:end] = bytes(rng.randrange(256) for _ in range(end - at))
            case 1 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                del out[at:end]
            case 3:
                out[at:at] = out[at:end]
            case 4:
                out[at:at] = rng.choice(BYTES)
            case 5:
                out[at:end] = rng.choice(BYTES)
            case 6:
                other = rng.randrange(len(out) + 1)
                out[at:at] = out[other : other + 20]
            case 7 if rng.random() < 0.3:
                del out[at:]
    return bytes(out)


def damaged_text(data, rng):
    """A text with one to three of its words or separators changed; sometimes its bytes as well."""
    lines = data.decode().split("\n")
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        words = lines[at].split(" ")
        word = rng.randrange(len(words))
        match rng.randrange(6):
            case 0 | 1 | 2:
                words[word] = rng.choice(TOKENS)
            case 3:
                del words[word]
            case 4:
                words.insert(word, rng.choice([*TOKENS, *words]))
            case 5:
                words[word] = str(rng.choice([-1, 1]) * rng.random() * 10 ** rng.randrange(-3, 4))
        lines[at] = rng.choice([" ", " ", " ", "  ", "\t", ","]).join(words)
    out = rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines).encode("utf-8", "surrogatepass")
    return damaged(out, rng) if rng.random() < 0.15 else out


def damaged_json(data, rng):
    """JSON with one to three values replaced, removed or doubled; sometimes its bytes as well."""
    value = orjson.loads(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        _change(value, rng)
    out = orjson.dumps(value, option=rng.choice([0, orjson.OPT_INDENT_2]))
    if rng.random() < 0.1:
        out = out.replace(b"0.5", rng.choice([b"NaN", b"Infinity", b"1e999", b"-Infinity"]))
    return damaged(out, rng) if rng.random() < 0.15 else out


def _change(value, rng):
    """Change something somewhere below a list or dict: as likely near its top as far down."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(value[key], list | dict) and value[key] and rng.random() < 0.8:
            value = value[key]
            continue
        match rng.randrange(4):
            case 0 | 1:
                value[key] = copy.deepcopy(rng.choice(VALUES))
            case 2:
                del value[key]
            case 3 if isinstance(value, list):
                value.insert(key, copy.deepcopy(rng.choice([value[key], rng.choice(VALUES)])))
            case _:
                value[key] = [value[key]]
        return


def generator(*names):
    """Random numbers of their own for a case: the same for the same names, in every process."""
    return random.Random("/".join(map(str, names)))


@contextlib.contextmanager
def at_most(seconds, what):
    """Fail if the block takes longer."""

    def late(*_):
        raise TimeoutError(f"longer than {seconds} s: {what}")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
