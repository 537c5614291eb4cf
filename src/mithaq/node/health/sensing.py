"""Sensors that fetch what this node knows: which has not come for long, and whose token ends."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from mithaq.kernel.reason import Reason
from mithaq.nations.constituents.model import OWN
from mithaq.nations.constituents.store import accounts_of
from mithaq.node.health.model import Finding, Level
from mithaq.node.health.settings import SENSOR_WARNING, SENSOR_WRONG, TOKEN_WARNING
from mithaq.node.language import msgid
from mithaq.response.sensors import store
from mithaq.response.sensors.model import Sensor

Params = dict[str, str | int]


def sensors(connection: Connection, at: datetime) -> Iterator[Finding]:
    """Every sensor that is in use fetches its bundle, and will be let in tomorrow."""
    for each in store.all_of(connection):
        if each.revoked_at is None:
            yield _fetching(each, at)
            yield from _token(connection, each, at)


def _fetching(sensor: Sensor, at: datetime) -> Finding:
    quiet = at - (sensor.pulled_at or sensor.made_at)
    params: Params = {"sensor": sensor.name, "days": quiet.days}
    if quiet <= SENSOR_WARNING:
        return Finding(Level.FINE, Reason("sensor", "the sensor %(sensor)s fetches its bundle", params))
    level = Level.WRONG if quiet > SENSOR_WRONG else Level.WARNING
    sentence = msgid("the sensor %(sensor)s has not fetched its bundle for %(days)s days")
    remedy = msgid("see whether its cron job runs and its token is the newest: docs/sensors.md")
    return Finding(level, Reason("sensor", sentence, params, remedy))


def _token(connection: Connection, sensor: Sensor, at: datetime) -> Iterator[Finding]:
    owned = accounts_of(connection, sensor.owner or OWN)
    account = next((each for each in owned if each.id == sensor.account), None)
    if account is None or account.revoked_at is not None or account.expires_at <= at:
        sentence = msgid("the token of the sensor %(sensor)s opens nothing any more")
        yield _renew(Level.WRONG, sentence, {"sensor": sensor.name})
    elif account.expires_at - at < TOKEN_WARNING:
        sentence = msgid("the token of the sensor %(sensor)s expires in %(days)s days")
        yield _renew(Level.WARNING, sentence, {"sensor": sensor.name, "days": (account.expires_at - at).days})


def _renew(level: Level, sentence: str, params: Params) -> Finding:
    return Finding(level, Reason("sensor-token", sentence, params, msgid("run: mithaq sensor token %(sensor)s")))
