import pytest

from tests.authenticator import Authenticator


@pytest.fixture
def new_device() -> type[Authenticator]:
    return Authenticator
