import pytest

from otelbridge import catalogue
from tests.config.catalogue import CATALOGUE


@pytest.fixture
def small_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands know the small components of the configuration's tests, and no others."""
    monkeypatch.setattr(catalogue, "BUILT_IN", tuple(CATALOGUE.specs.values()))
