"""Whatever an indicator is worth, it never gains by waiting: its base at the beginning, nothing at the end."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mithaq.intelligence.decay import polynomial
from mithaq.intelligence.settings import DECAY_BY_TYPE, DecayModel
from mithaq.standards.observable import TYPES

models = st.builds(DecayModel, st.integers(1, 4000), st.floats(0.05, 20)) | st.sampled_from(
    sorted(DECAY_BY_TYPE.values(), key=repr)
)
spans = st.timedeltas(timedelta(0), timedelta(days=5000))


@given(models, st.integers(0, 100), spans, spans)
def test_it_never_rises_with_time_and_stays_between_nothing_and_its_base(
    model: DecayModel, base: int, first: timedelta, second: timedelta
) -> None:
    early, late = sorted((first, second))
    assert base >= polynomial(base, early, model) >= polynomial(base, late, model) >= 0


@given(models, st.integers(0, 100))
def test_it_is_its_base_at_the_beginning_and_nothing_at_the_end_of_its_lifetime(model: DecayModel, base: int) -> None:
    assert polynomial(base, timedelta(0), model) == base
    assert polynomial(base, timedelta(days=model.lifetime_days), model) == 0


@given(models, st.integers(1, 100), st.floats(0.01, 0.99))
def test_a_higher_speed_loses_more_of_it_early(model: DecayModel, base: int, part: float) -> None:
    at = part * timedelta(days=model.lifetime_days)
    faster = DecayModel(model.lifetime_days, model.decay_speed * 2)
    assert polynomial(base, at, faster) <= polynomial(base, at, model)


def test_every_type_of_observable_has_a_model() -> None:
    assert set(DECAY_BY_TYPE) == set(TYPES)
