from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.caster.rig import Rig
from tests.publish.brokers import Certificates


@pytest.fixture
async def rig() -> AsyncIterator[Callable[..., Awaitable[Rig]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def make(*arguments: Any, **settings: Any) -> Rig:
            return await stack.enter_async_context(Rig(*arguments, **settings))

        yield make


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make()
    return made
