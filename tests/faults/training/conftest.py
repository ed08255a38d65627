"""A small trained model, made once for the folder."""

from __future__ import annotations

import pytest

pytest.importorskip("trl", reason="needs the extra llm")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    from tests.faults.training.small_run import RECIPE
    from toyrl.bridge.models import tiny

    return str(tiny.folder(RECIPE, cache=tmp_path_factory.mktemp("model")))
