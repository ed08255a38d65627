"""Texts as vectors without a download, and the products that rewards of relevance are made of.

    embed = HashedWords()                             # words hashed, weighted if you fit it
    embed = PooledRows(matrix, tokenizer.encode)      # mean rows of a policy's embedding matrix
    embed = my_retriever.encode                       # texts -> (n, d)

Rewards take any of them, or the word "hashed". Vectors are means over tokens, never normalised,
unless it is asked for: what a dot product pays depends on it (docs/theory/relevance.md).

Source: paper 39 (mean pooling, raw dot product), paper 16 (cosine of mean embeddings).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, cast

import numpy as np

from toyrl import ranges
from toyrl.extras import needed_by
from toyrl.messages import shortened
from toyrl.ranges import COUNT, one_of

Array = Any
TOKENS = re.compile(r"\w+|[^\w\s]+")
HASHED = "hashed"


def words_and_marks(text: str) -> list[str]:
    """Runs of word characters and runs of punctuation, as NLTK's `wordpunct_tokenize` splits."""
    return TOKENS.findall(text)


def mean_rows(matrix: Array, ids: Sequence[int]) -> np.ndarray:
    """(d,) mean of the rows (V, d) that the ids name; zeros for no ids."""
    matrix = np.asarray(matrix)
    return matrix[list(ids)].mean(0) if len(ids) else np.zeros(matrix.shape[-1])


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Texts -> (n, d), each the mean of its tokens' rows.

    matrix : (V, d), one row a token
    ids : text -> its tokens' row numbers; ids that are None are left out

    Calling it raises ValueError for a token without a row in the matrix.
    """

    matrix: Array
    ids: Callable[[str], Sequence[int | None]]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(n, d) mean rows."""
        found = [[i for i in self.ids(text) if i is not None] for text in texts]
        size = len(self.matrix)
        worst = next((i for ids in found for i in ids if not 0 <= i < size), None)
        if worst is not None:
            msg = f"token {worst} has no row in a matrix of {size}; tokenizer and matrix differ"
            raise ValueError(msg)
        return np.array([mean_rows(self.matrix, ids) for ids in found])


@dataclass(frozen=True, eq=False)
class HashedWords:
    """Texts -> (n, features) sparse, hashed word counts over the number of words.

    features : places that words are hashed to; few collisions at the default
    pooling : "mean" over the tokens, or "unit", vectors of length 1
    weights : (features,) inverse document frequencies, None: 1 each; see `fitted`

    Needs the extra `tasks`. Raises ValueError for a field out of its range.
    """

    features: Annotated[int, COUNT] = 2**20
    pooling: Annotated[str, one_of("mean", "unit")] = "mean"
    weights: Any = None

    def __post_init__(self) -> None:
        ranges.check_fields(self)

    def fitted(self, texts: Sequence[str]) -> HashedWords:
        """The same with the texts' smoothed inverse document frequencies: hashed TF-IDF."""
        with needed_by("a hashed TF-IDF"):
            from sklearn.feature_extraction.text import TfidfTransformer
        counts = _hasher(self.features).transform([_lower(t) for t in texts])
        return replace(self, weights=TfidfTransformer(norm=cast("Any", None)).fit(counts).idf_)

    def __call__(self, texts: Sequence[str]) -> Any:
        """(n, features) CSR matrix."""
        return self.of_tokens([_lower(t) for t in texts])

    def of_tokens(self, texts: Sequence[Sequence[str]]) -> Any:
        """The same from texts that are split into tokens already, in lower case."""
        try:
            found = _hasher(self.features).transform(texts)
        except UnicodeEncodeError:  # halves of a character, which no UTF-8 holds
            whole = [[t.encode(errors="replace").decode() for t in own] for own in texts]
            found = _hasher(self.features).transform(whole)
        if self.weights is not None:
            found = found.multiply(np.asarray(self.weights)).tocsr()
        size = (
            np.array([len(t) for t in texts], dtype=float) if self.pooling == "mean"
            else np.sqrt(dots(found, found))
        )  # fmt: skip
        scale = np.repeat(1 / np.where(size > 0, size, 1.0), np.diff(found.indptr))
        found.data = found.data * scale
        return found


def lowered(tokens: Sequence[str]) -> list[str]:
    """The tokens in lower case, one for one."""
    return "\n".join(tokens).lower().split("\n") if tokens else []  # a token holds no line break


def _lower(text: str) -> list[str]:
    return lowered(words_and_marks(text))


def _same(tokens: Sequence[str]) -> Sequence[str]:
    return tokens


@lru_cache(maxsize=8)
def _hasher(features: int) -> Any:
    with needed_by("hashing words"):
        from sklearn.feature_extraction.text import HashingVectorizer

    options: Any = {"analyzer": _same, "norm": None}  # both are allowed, and not in the stubs
    return HashingVectorizer(n_features=features, alternate_sign=False, **options)


def embedder(embed: Any) -> Callable[[Sequence[str]], Any]:
    """What a reward's field `embed` says: "hashed", or a function of texts.

    Raises ValueError for anything else.
    """
    if isinstance(embed, str) and embed == HASHED:
        return HashedWords()
    if callable(embed):
        return embed
    msg = f"embed={shortened(embed)} must be 'hashed' or a function from texts to (n, d)"
    raise ValueError(msg)


def embedded(embed: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> tuple[Any, np.ndarray]:
    """Vectors of the distinct texts, (n, d) or sparse, and each text's row (N,).

    Raises ValueError for vectors of another number than texts.
    """
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    found = embed(list(place)) if place else np.zeros((0, 1))
    if not hasattr(found, "indptr"):
        found = np.asarray(found, dtype=float)
    if found.ndim != 2 or found.shape[0] != len(place):
        msg = f"embed gave shape {tuple(found.shape)} for {len(place)} texts, not ({len(place)}, d)"
        raise ValueError(msg)
    return found, np.array([place[text] for text in texts], dtype=int)


def dots(a: Array, b: Array) -> np.ndarray:
    """(n,) dot products of the rows of two matrices (n, d), dense or sparse."""
    if hasattr(a, "indptr"):
        return np.asarray(a.multiply(b).sum(1), dtype=float).ravel()
    return (np.asarray(a) * np.asarray(b)).sum(-1)


def cosines(a: Array, b: Array) -> np.ndarray:
    """(n,) cosines of the rows of two matrices (n, d); 0 where a row has no length."""
    size = np.sqrt(dots(a, a) * dots(b, b))
    return dots(a, b) / np.where(size > 0, size, 1.0) * (size != 0)
