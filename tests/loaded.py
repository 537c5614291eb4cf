"""Everything a command may need, loaded once for the process that forks them."""

import importlib

from mithaq.cli.main import COMMANDS
from mithaq.cli.roles import preload

preload()
for place in COMMANDS.values():
    importlib.import_module(place.partition(":")[0])
