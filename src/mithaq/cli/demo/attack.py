"""The attack of the demonstration and the everyday traffic around it, as sensors would write them (Zeek, JSON)."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mithaq.cli.demo.coalition import DemoNation
from mithaq.standards.observable import Observable
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

PHISHING = "sign-in.post-rimal.example"
BEACON = "203.0.113.66"
BEACON_JA3 = "6734f37431670b3ab4292b8f60f29984"
LATERAL_TOOL = "b9d1b8b7e6f2c3a4d5e60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c"
VICTIM_NAME = "Ministry-of-Waters-Qasr"
VICTIM_HOST = "vpn.waters-qasr.rimal.example"
INFORMANT = "Informant-Falcon-29"
INFORMANT_HOST = "drop.falcon-quill.example"
DRILL = "drill-beacon.example"
MISTAKE = "cdn.mirror-library.example"


@dataclass(frozen=True, slots=True)
class Discovery:
    """One thing the first nation's analysts find: what it is, what to call it by language, under which labels."""

    observable: Observable
    names: Mapping[str, str]
    tlp: Tlp
    pap: Pap


SHARED = (
    Discovery(
        Observable("domain", PHISHING),
        {
            "ar": "نطاق تصيّد ينتحل صفة مكتب بريد",
            "en": "Phishing domain that imitates a post office",
            "fr": "Domaine d’hameçonnage qui imite une poste",
        },
        Tlp.GREEN,
        Pap.GREEN,
    ),
    Discovery(
        Observable("ipv4", BEACON),
        {
            "ar": "خادم القيادة والتحكم للبرمجية المزروعة",
            "en": "Command and control of the implant",
            "fr": "Serveur de commande de l’implant",
        },
        Tlp.AMBER,
        Pap.GREEN,
    ),
    Discovery(
        Observable("ja3", BEACON_JA3),
        {
            "ar": "بصمة TLS للبرمجية المزروعة",
            "en": "TLS fingerprint of the implant",
            "fr": "Empreinte TLS de l’implant",
        },
        Tlp.AMBER,
        Pap.GREEN,
    ),
    Discovery(
        Observable("sha256", LATERAL_TOOL),
        {
            "ar": "أداة الانتقال بين الأجهزة",
            "en": "Tool of the lateral movement",
            "fr": "Outil du déplacement latéral",
        },
        Tlp.AMBER,
        Pap.GREEN,
    ),
)
"""What the agreement lets go to every party."""

KEPT = (
    Discovery(
        Observable("domain", VICTIM_HOST),
        {
            "ar": f"نقطة دخول لدى {VICTIM_NAME}",
            "en": f"Entry point at {VICTIM_NAME}",
            "fr": f"Point d’entrée chez {VICTIM_NAME}",
        },
        Tlp.AMBER_STRICT,
        Pap.AMBER,
    ),
    Discovery(
        Observable("domain", INFORMANT_HOST),
        {"ar": f"ذكره {INFORMANT}", "en": f"Named by {INFORMANT}", "fr": f"Nommé par {INFORMANT}"},
        Tlp.RED,
        Pap.RED,
    ),
)
"""What is above the agreement's ceilings and must stay."""

WRONG = Discovery(Observable("domain", MISTAKE), {"en": "Suspicious mirror"}, Tlp.GREEN, Pap.GREEN)
INJECT = Discovery(Observable("domain", DRILL), {"en": "Exercise inject"}, Tlp.GREEN, Pap.GREEN)

_HOSTS = ("www", "mail", "api", "img")
_SITES = ("school", "harbour", "bank", "news")
WITHHELD_TOKENS = (VICTIM_NAME, VICTIM_HOST, INFORMANT, INFORMANT_HOST)


def attack_event(observable: Observable, nation: DemoNation, at: datetime) -> bytes:
    """Return the line a nation's sensor writes when the attack reaches it."""
    host = f"{nation.network}.{random.randrange(10, 60)}"  # noqa: S311 - traffic, not secrets
    match observable.type:
        case "domain":
            return _line(at, "dns", host, "192.0.2.53", 53, query=observable.value, qtype_name="A")
        case "ipv4":
            return _line(at, "conn", host, observable.value, 443, proto="tcp", service="ssl", conn_state="SF")
        case "ja3":
            return _line(at, "ssl", host, BEACON, 443, ja3=observable.value, server_name="update.cdn.example")
        case _:
            return _line(
                at, "files", host, BEACON, 443, sha256=observable.value, source="SMB", mime_type="application/x-dosexec"
            )


def everyday_events(nation: DemoNation, count: int, at: datetime) -> bytes:
    """Return lines of harmless traffic."""
    pick = random.Random()  # noqa: S311 - traffic, not secrets
    lines = []
    for _ in range(count):
        host = f"{nation.network}.{pick.randrange(10, 200)}"
        name = f"{pick.choice(_HOSTS)}.{pick.choice(_SITES)}.{nation.domain}"
        if pick.random() < 0.5:
            lines.append(_line(at, "dns", host, f"{nation.network}.53", 53, query=name, qtype_name="A"))
        else:
            target = f"{nation.network}.{pick.randrange(200, 250)}"
            lines.append(_line(at, "conn", host, target, 443, proto="tcp", service="ssl", conn_state="SF"))
    return b"".join(lines)


def _line(at: datetime, stream: str, orig: str, resp: str, port: int, /, **fields: str) -> bytes:
    event = {
        "_path": stream,
        "ts": at.timestamp(),
        "uid": f"C{random.getrandbits(64):x}",
        "id.orig_h": orig,
        "id.orig_p": random.randrange(20_000, 60_000),  # noqa: S311 - traffic, not secrets
        "id.resp_h": resp,
        "id.resp_p": port,
    }
    if stream == "files":
        event |= {"tx_hosts": [resp], "rx_hosts": [orig]}
    return json.dumps(event | fields).encode() + b"\n"
