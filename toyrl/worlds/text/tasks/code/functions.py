"""Small functions that are asked for: two ways to write each, mistakes, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

SHOWN, ROW = 1, 3
"""Calls of which the prompt shows the value, and that are tests of the data row; the rest are
known to the truth alone."""


@dataclass(frozen=True)
class Function:
    """One function.

    name, takes : its name and parameters; says : what it does
    gives : its value as an expression; loop : its body otherwise, lines apart by newlines
    slip, other : expressions of two ordinary mistakes
    calls : arguments, apart by semicolons: first those of the row's tests, then the truth's
    hints : types of parameters, then of what it returns
    """

    name: str
    takes: str
    says: str
    gives: str
    loop: str
    slip: str
    other: str
    calls: str
    hints: tuple[str, ...]

    @cached_property
    def arguments(self) -> tuple[tuple[Any, ...], ...]:
        """Of every call."""
        return tuple(eval(f"({x.strip()},)") for x in self.calls.split(";"))

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """Of every call, by the expression, which is this file's own."""
        made = eval(f"lambda {self.takes}: {self.gives}")
        return tuple(made(*x) for x in self.arguments)

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """An assert line for every call."""
        written = (", ".join(map(repr, x)) for x in self.arguments)
        pairs = zip(written, self.values, strict=True)
        return tuple(f"assert {self.name}({x}) == {v!r}" for x, v in pairs)

    def defined(self, body: str, name: str = "") -> str:
        """The function with this body."""
        lines = body.splitlines() or ["pass"]
        return "\n".join([f"def {name or self.name}({self.takes}):", *(f"    {x}" for x in lines)])


F, INT, LIST, STR = Function, ("int", "int"), ("list[int]", "int"), ("str", "int")
FUNCTIONS = (
    F("sum_of_squares", "n", "the sum of the squares of 1 to n", "sum(i * i for i in range(n + 1))",
      "total = 0\nfor i in range(1, n + 1):\n    total += i * i\nreturn total",
      "sum(i * i for i in range(n))", "sum(range(n + 1)) ** 2", "3; 5; 2; 0; 1; 10; 7", INT),
    F("count_vowels", "text", "how many vowels (a, e, i, o, u, of either case) a text has",
      "sum(c in 'aeiou' for c in text.lower())",
      "count = 0\nfor c in text:\n    if c in 'aeiouAEIOU':\n        count += 1\nreturn count",
      "sum(c in 'aeio' for c in text.lower())", "len(set(text) & set('aeiou'))",
      "'queue'; 'sly Fox unit'; 'Audio book'; ''; 'rhythm'; 'EERIE'; 'Ultra'", STR),
    F("clamp", "x, low, high", "x, but at least low and at most high", "max(low, min(x, high))",
      "if x < low:\n    return low\nif x > high:\n    return high\nreturn x",
      "max(low, x)", "min(x, high)", "5, 1, 3; -2, 0, 4; 2, 1, 3; 3, 3, 3; 9, -9, 9; 10, 0, 9",
      ("int", "int", "int", "int")),
    F("triangular", "n", "the n-th triangular number, 1 + 2 + ... + n", "n * (n + 1) // 2",
      "total = 0\nwhile n > 0:\n    total += n\n    n -= 1\nreturn total",
      "n * (n - 1) // 2", "n * n // 2", "4; 6; 10; 0; 1; 25; 3", INT),
    F("factorial", "n", "the product of 1 to n, which is 1 for 0",
      "__import__('math').prod(range(1, n + 1))",
      "out = 1\nfor i in range(2, n + 1):\n    out *= i\nreturn out",
      "__import__('math').prod(range(1, n))", "n * (n - 1)", "4; 5; 6; 0; 1; 8; 3", INT),
    F("fibonacci", "n", "the n-th Fibonacci number, from 0 and 1 on",
      "round(((1 + 5 ** 0.5) / 2) ** n / 5 ** 0.5)",
      "a, b = 0, 1\nfor _ in range(n):\n    a, b = b, a + b\nreturn a",
      "round(((1 + 5 ** 0.5) / 2) ** (n + 1) / 5 ** 0.5)", "max(0, 2 * n - 3)",
      "7; 9; 10; 0; 1; 2; 15", INT),
    F("reverse_words", "text", "the words of a text in the opposite order, one space apart",
      "' '.join(text.split()[::-1])",
      "out = []\nfor word in text.split():\n    out.insert(0, word)\nreturn ' '.join(out)",
      "text[::-1]", "' '.join(w[::-1] for w in text.split())",
      "'one two'; 'a  bc d'; 'we go home now'; ''; 'word'; ' x y '", ("str", "str")),
    F("is_palindrome", "text", "whether a text reads the same backwards, whatever the case",
      "text.lower() == text.lower()[::-1]",
      "small = text.lower()\nfor i in range(len(small)):\n"
      "    if small[i] != small[-1 - i]:\n        return False\nreturn True",
      "text[:1].lower() == text[-1:].lower()", "len(text) % 2 == 0",
      "'Level'; 'abca'; 'noon'; ''; 'ab'; 'Abcda'; 'xyzzyx'", ("str", "bool")),
    F("largest_gap", "xs", "the largest difference of neighbours in a list, 0 if it has none",
      "max((abs(a - b) for a, b in zip(xs, xs[1:])), default=0)",
      "best = 0\nfor i in range(1, len(xs)):\n    best = max(best, abs(xs[i] - xs[i - 1]))\n"
      "return best",
      "max((b - a for a, b in zip(xs, xs[1:])), default=0)", "max(xs, default=0) - min(xs)",
      "[1, 4, 7]; [9, 2, 3, 8]; [5, 5, 7, 1]; [1]; [3, 3]; [8, 0, 1]; [-2, 5, 1]", LIST),
    F("count_even", "xs", "how many even numbers a list has", "sum(x % 2 == 0 for x in xs)",
      "count = 0\nfor x in xs:\n    if x % 2 == 0:\n        count += 1\nreturn count",
      "sum(x % 2 for x in xs)", "sum(x % 2 == 0 for x in set(xs))",
      "[2, 4, 4]; [1, 3, 6, 8, 6]; [10, 10, 7]; []; [1]; [0, -2, 2, 2]; [5, 4]", LIST),
    F("digit_sum", "n", "the sum of the digits of a number, its sign aside",
      "sum(int(c) for c in str(abs(n)))",
      "n = abs(n)\ntotal = 0\nwhile n:\n    total += n % 10\n    n //= 10\nreturn total",
      "abs(n) % 9", "len(str(n))", "99; -123; 4096; 0; 7; 1000; 888", INT),
    F("without_repeats", "xs", "a list without repeats, each item where it stood first",
      "list(dict.fromkeys(xs))",
      "out = []\nfor x in xs:\n    if x not in out:\n        out.append(x)\nreturn out",
      "sorted(set(xs))", "[x for x in xs if xs.count(x) == 1]",
      "[3, 1, 3]; [2, 2, 1]; [9, 8, 9, 7]; []; [5]; [4, 4, 4]; [7, 3, 7, 3, 1]",
      ("list[int]", "list[int]")),
    F("second_largest", "xs", "the second largest of the different numbers in a list",
      "sorted(set(xs))[-2]",
      "first = max(xs)\nreturn max(x for x in xs if x < first)",
      "sorted(set(xs))[1]", "sorted(xs)[-2]",
      "[4, 9, 9, 1]; [5, 7, 7, 6, 2]; [3, 8, 8, 1, 2]; [1, 2]; [-1, -5]; [2, 2, 0, 9]", LIST),
    F("running_total", "xs", "the list of sums of the first 1, 2, ... items of a list",
      "[sum(xs[:i + 1]) for i in range(len(xs))]",
      "out, total = [], 0\nfor x in xs:\n    total += x\n    out.append(total)\nreturn out",
      "[sum(xs[:i]) for i in range(len(xs))]", "[sum(xs[i:]) for i in range(len(xs))]",
      "[1, 2, 3]; [4, 0, 5]; [2, 7]; []; [9]; [-1, 1, -1]; [10, 20, 30]",
      ("list[int]", "list[int]")),
    F("gcd", "a, b", "the greatest common divisor of two numbers from 1 on",
      "max(d for d in range(1, min(a, b) + 1) if a % d == 0 and b % d == 0)",
      "while b:\n    a, b = b, a % b\nreturn a",
      "min(d for d in range(1, min(a, b) + 1) if a % d == 0 and b % d == 0)", "abs(a - b) or a",
      "12, 18; 20, 50; 9, 27; 1, 7; 8, 8; 100, 75; 14, 63", ("int", "int", "int")),
    F("is_prime", "n", "whether a number is prime",
      "n > 1 and all(n % d for d in range(2, n))",
      "if n < 2:\n    return False\nd = 2\nwhile d * d <= n:\n    if n % d == 0:\n"
      "        return False\n    d += 1\nreturn True",
      "n % 2 == 1", "n > 1 and n % 2 == 1", "9; 13; 2; 1; 0; 49; 97; 91", ("int", "bool")),
    F("collatz_steps", "n", "how many Collatz steps (n / 2 if even, 3 n + 1 if odd) lead to 1",
      "(lambda f: f(f, n))(lambda f, k: 0 if k == 1 else 1 + f(f, k // 2 if k % 2 == 0 else "
      "3 * k + 1))",
      "steps = 0\nwhile n != 1:\n    n = n // 2 if n % 2 == 0 else 3 * n + 1\n    steps += 1\n"
      "return steps",
      "(lambda f: f(f, n))(lambda f, k: 1 if k == 1 else 1 + f(f, k // 2 if k % 2 == 0 else "
      "3 * k + 1))", "n.bit_length()", "6; 3; 11; 1; 2; 7; 16", INT),
    F("caesar", "text, k", "a text with each small letter a to z moved on by k, round the end",
      "''.join(chr((ord(c) - 97 + k) % 26 + 97) if 'a' <= c <= 'z' else c for c in text)",
      "out = ''\nfor c in text:\n    if 'a' <= c <= 'z':\n"
      "        c = chr((ord(c) - 97 + k) % 26 + 97)\n    out += c\nreturn out",
      "''.join(chr(ord(c) + k) if 'a' <= c <= 'z' else c for c in text)",
      "''.join(chr((ord(c) - 97 - k) % 26 + 97) if 'a' <= c <= 'z' else c for c in text)",
      "'xyz', 3; 'zoo!', 5; 'my Wax', 4; '', 1; 'abc', 0; 'az', 26; 'hello', -1",
      ("str", "int", "str")),
    F("longest_word", "text", "the longest word of a text, the first of equally long ones",
      "max(text.split(), key=len, default='')",
      "best = ''\nfor word in text.split():\n    if len(word) > len(best):\n        best = word\n"
      "return best",
      "max(text.split(), default='')", "text.split()[-1] if text else ''",
      "'we came home'; 'a bee can fly'; 'some tall trees swayed so'; ''; 'one two'; 'zz a bbb cc'",
      ("str", "str")),
    F("common", "xs, ys", "the sorted list of numbers that stand in both of two lists",
      "sorted(set(xs) & set(ys))",
      "out = []\nfor x in xs:\n    if x in ys and x not in out:\n        out.append(x)\n"
      "return sorted(out)",
      "sorted(x for x in xs if x in ys)", "sorted(set(xs) | set(ys))",
      "[4, 4, 2], [2, 4]; [3, 1, 3], [3, 9, 3]; [5, 5, 1], [1, 5]; [], [1]; [1], [2]; "
      "[7, 7, 8], [8, 7]", ("list[int]", "list[int]", "list[int]")),
    F("to_binary", "n", "a number from 0 on in binary digits, as a text", "format(n, 'b')",
      "out = ''\nwhile n > 1:\n    out = str(n % 2) + out\n    n //= 2\nreturn str(n) + out",
      "format(n, 'b')[::-1]", "bin(n)", "6; 11; 20; 0; 1; 255; 8", ("int", "str")),
    F("flatten", "xss", "one list of all items of a list of lists, in order",
      "[x for xs in xss for x in xs]",
      "out = []\nfor xs in xss:\n    out.extend(xs)\nreturn out",
      "[x for xs in xss[::-1] for x in xs]", "sorted({x for xs in xss for x in xs})",
      "[[2, 1], [3]]; [[1], [], [4, 1]]; [[9, 5], [5]]; []; [[]]; [[3], [1, 0]]",
      ("list[list[int]]", "list[int]")),
    F("count_words", "text", "a mapping of each word of a text, in small letters, to its count",
      "{w: text.lower().split().count(w) for w in text.lower().split()}",
      "out = {}\nfor word in text.lower().split():\n    out[word] = out.get(word, 0) + 1\n"
      "return out",
      "{w: 1 for w in text.lower().split()}",
      "{w: text.split().count(w) + 1 for w in text.split()}",
      "'a b a'; 'To be or to'; 'x X x y'; ''; 'one'; 'so So SO'", ("str", "dict[str, int]")),
    F("rotate", "xs, k", "a list with its first k items moved to the end, k from 0 to its length",
      "xs[k:] + xs[:k]",
      "out = list(xs)\nfor _ in range(k):\n    out.append(out.pop(0))\nreturn out",
      "xs[-k:] + xs[:-k]", "xs[k:]",
      "[1, 2, 3], 1; [4, 5, 6, 7], 3; [8, 9, 1], 2; [], 0; [1, 2], 2; [1, 2, 3, 4, 5], 2",
      ("list[int]", "int", "list[int]")),
)  # fmt: skip
BY_NAME = {f.name: f for f in FUNCTIONS}
