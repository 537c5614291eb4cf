"""Telemetry and indicators made from a seed: Zeek and Suricata lines, a few planted hits, look-alikes that are none.

Values repeat as in life (Zipf). A twentieth of a percent of the lines hold an indicator of the first tenth of those
made: in upper case, below a subdomain, inside a network, as an uncompressed IPv6 address, as a URL that is split over
two fields. As many hold a name that only ends like an indicator's.
"""

import ipaddress
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvz" for vowel in "aeio"]
_ENDINGS = ("co.uk", "gov.pl", "com.tr", "de", "fr", "nl", "pl", "fi", "se", "no", "ee", "lv", "lt", "it", "es", "io")
_TLDS = [*["com"] * 10, *["net"] * 4, *["org"] * 3, *_ENDINGS]
_SUBDOMAINS = ("www.", "", "", "mail.", "cdn.", "api.", "static.img.", "a1.eu.")
_KINDS = (
    ["ipv4"] * 45
    + ["domain"] * 30
    + ["url"] * 10
    + ["sha256"] * 5
    + ["md5"] * 4
    + ["sha1", "ipv6", "cidr", "ja3", "ja4", "email"]
)
_AGENTS = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "curl/8.5.0", "Microsoft-CryptoAPI/10.0")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PUBLIC = [each for each in range(1, 224) if each not in {8, 10, 127, 172, 192}]
_PLANTED = 0.0005
_POOL = 150_000


def indicators(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (type, canonical value); the first of a longer run are those of a shorter one."""
    chance, seen = random.Random(f"indicators {seed}"), set()
    for number in itertools.count():
        kind = _KINDS[number % 100]
        value = _MAKERS[kind](chance)
        if hash((kind, value)) not in seen:
            seen.add(hash((kind, value)))
            yield kind, value
            if len(seen) == count:
                return


def write_events(file: Path, count: int, wanted: list[tuple[str, str]], seed: int) -> None:
    """Write a file of `count` lines in which some of the wanted are found."""
    writer = _Writer(random.Random(f"events {seed}"), wanted)
    with file.open("w", encoding="utf-8", buffering=1 << 20) as out:
        for number in range(count):
            out.write(writer.line(number))
            out.write("\n")


def _word(chance: random.Random, syllables: int) -> str:
    return "".join(chance.choices(_SYLLABLES, k=syllables))


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _domain(chance: random.Random) -> str:
    ending = chance.choice(("", "-" + _word(chance, 2), str(chance.randint(0, 99))))
    return f"{_word(chance, chance.randint(3, 6))}{ending}.{chance.choice(_TLDS)}"


def _bad_domain(chance: random.Random) -> str:
    return chance.choice(("", "", "x.", "login.")) + _word(chance, 2) + "q" + _domain(chance)


def _ipv4(chance: random.Random) -> str:
    return f"{chance.choice(_PUBLIC)}.{chance.randint(0, 255)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}"


def _ipv6(chance: random.Random) -> str:
    return str(ipaddress.IPv6Address(0x2A << 120 | chance.getrandbits(28) << 92 | chance.getrandbits(60)))


def _cidr(chance: random.Random) -> str:
    if chance.random() < 0.9:
        return str(ipaddress.ip_network((_ipv4(chance), chance.choice((24, 24, 24, 22, 28, 29))), strict=False))
    return str(ipaddress.ip_network((_ipv6(chance), 64), strict=False))


def _url(chance: random.Random) -> str:
    host = chance.choice((_ipv4(chance), "q" + _domain(chance), "q" + _domain(chance)))
    return f"http://{host}/{_word(chance, 3)}/{_hex(chance, 8)}{chance.choice(('.php', '.exe', ''))}"


def _ja4(chance: random.Random) -> str:
    counts = f"{chance.randint(10, 20)}{chance.randint(10, 20)}"
    return f"t13d{counts}h2_{_hex(chance, 12)}_{_hex(chance, 12)}"


def _email(chance: random.Random) -> str:
    return f"{_word(chance, 3)}@q{_domain(chance)}"


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "ipv4": _ipv4,
    "domain": _bad_domain,
    "url": _url,
    "sha256": lambda chance: _hex(chance, 64),
    "md5": lambda chance: _hex(chance, 32),
    "sha1": lambda chance: _hex(chance, 40),
    "ipv6": _ipv6,
    "cidr": _cidr,
    "ja3": lambda chance: _hex(chance, 32),
    "ja4": _ja4,
    "email": _email,
}


class _Writer:
    """What lines are made of; each method that writes one takes whether it shall hold an indicator."""

    def __init__(self, chance: random.Random, wanted: list[tuple[str, str]]) -> None:
        self._chance = chance
        self._bad: dict[str, list[str]] = {}
        for kind, value in wanted[: max(1_000, len(wanted) // 10)]:
            self._bad.setdefault(kind, []).append(value)
        taken = {value for kind, value in wanted if kind == "ipv4"}
        networks = {value.rpartition(".")[0] for kind, value in wanted if kind == "cidr" and "." in value}
        addresses = (each for each in iter(lambda: _ipv4(chance), "") if each not in taken)
        free = (each for each in addresses if each.rpartition(".")[0] not in networks)
        self._addresses = self._often(list(itertools.islice(free, _POOL)))
        self._domains = self._often([chance.choice(_SUBDOMAINS) + _domain(chance) for _ in range(_POOL)])
        self._hosts = [
            f"10.{chance.randint(0, 30)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}" for _ in range(5_000)
        ]
        self._ja3 = [_hex(chance, 32) for _ in range(400)]
        self._ja4 = [_ja4(chance) for _ in range(300)]

    def _often(self, values: list[str]) -> Iterator[str]:
        """Yield values without end, the first ones far more often (Zipf, exponent 1.15)."""
        weights = list(itertools.accumulate((rank + 1) ** -1.15 for rank in range(len(values))))
        while True:
            yield from self._chance.choices(values, cum_weights=weights, k=100_000)

    def line(self, number: int) -> str:
        chance = self._chance
        form, bad = chance.random(), chance.random() < _PLANTED
        host, name, address = chance.choice(self._hosts), next(self._domains), next(self._addresses)
        if not bad and chance.random() < _PLANTED:
            name = "z" + chance.choice(self._bad["domain"])
        uid = f"C{''.join(chance.choices(_LETTERS, k=17))}"
        start = f'{{"ts":{1_760_000_000 + number * 0.0004:.6f},"uid":"{uid}","id.orig_h":"{host}",'
        start += f'"id.orig_p":{32768 + number * 7919 % 28000},'
        for limit, write in self._ZEEK:
            if form < limit:
                return start + write(self, number, name, address, bad)
        return self._eve(number, form, host, name, address, bad)

    def _conn(self, number: int, _name: str, address: str, bad: bool) -> str:
        address = self._bad_address() if bad else address
        sent, got = number * 31 % 9000 + 40, number * 17 % 90000 + 40
        return (
            f'"id.resp_h":"{address}","id.resp_p":443,"proto":"tcp","service":"ssl","duration":{sent / 1000:.6f},'
            f'"orig_bytes":{sent},"resp_bytes":{got},"conn_state":"SF","local_orig":true,"local_resp":false,'
            f'"missed_bytes":0,"history":"ShADadFf","orig_pkts":{sent // 40},"orig_ip_bytes":{sent + 40},'
            f'"resp_pkts":{got // 40},"resp_ip_bytes":{got + 40},"_path":"conn"}}'
        )

    def _dns(self, number: int, name: str, address: str, bad: bool) -> str:
        if bad and self._chance.random() < 0.7:
            name = self._bad_name()
        elif bad:
            address = self._bad_address()
        return (
            f'"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","trans_id":{number % 65536},'
            f'"rtt":0.0{number % 9000},"query":"{name}","qclass":1,"qclass_name":"C_INTERNET","qtype":1,'
            f'"qtype_name":"A","rcode":0,"rcode_name":"NOERROR","AA":false,"TC":false,"RD":true,"RA":true,"Z":0,"answers":["{address}"],'
            '"TTLs":[300.0],"rejected":false,"_path":"dns"}'
        )

    def _http(self, number: int, name: str, address: str, bad: bool) -> str:
        uri = f"/{_word(self._chance, 3)}/{_hex(self._chance, 8)}.html"
        which = self._chance.random()
        if bad and which < 0.6:
            name, _, rest = self._chance.choice(self._bad["url"]).removeprefix("http://").partition("/")
            uri = f"/{rest}"
        elif bad and which < 0.8:
            name = self._bad_name()
        elif bad:
            address = self._bad_address()
        return (
            f'"id.resp_h":"{address}","id.resp_p":80,"trans_depth":1,"method":"GET","host":"{name}","uri":"{uri}",'
            f'"version":"1.1","user_agent":"{_AGENTS[number % 3]}","request_body_len":0,'
            f'"response_body_len":{number % 50000},"status_code":200,"status_msg":"OK","tags":[],'
            f'"resp_fuids":["F{_hex(self._chance, 16)}"],"resp_mime_types":["text/html"],"_path":"http"}}'
        )

    def _ssl(self, _number: int, name: str, address: str, bad: bool) -> str:
        ja3, ja4, which = self._chance.choice(self._ja3), self._chance.choice(self._ja4), self._chance.random()
        if bad and which < 0.5:
            name = self._bad_name()
        elif bad and which < 0.75:
            ja3 = self._chance.choice(self._bad["ja3"])
        elif bad:
            ja4 = self._chance.choice(self._bad["ja4"])
        return (
            f'"id.resp_h":"{address}","id.resp_p":443,"version":"TLSv13","cipher":"TLS_AES_256_GCM_SHA384",'
            f'"curve":"x25519","server_name":"{name}","resumed":false,"next_protocol":"h2","established":true,'
            f'"ssl_history":"CsiI","ja3":"{ja3}","ja4":"{ja4}","_path":"ssl"}}'
        )

    def _files(self, number: int, _name: str, address: str, bad: bool) -> str:
        md5, sha1, sha256 = (_hex(self._chance, digits) for digits in (32, 40, 64))
        which = self._chance.random()
        if bad and which < 0.5:
            sha256 = self._chance.choice(self._bad["sha256"])
        elif bad and which < 0.9:
            md5 = self._chance.choice(self._bad["md5"])
        elif bad:
            sha1 = self._chance.choice(self._bad["sha1"]).upper()
        return (
            f'"id.resp_h":"{address}","source":"HTTP","depth":0,"analyzers":["MD5","SHA1","SHA256"],'
            f'"mime_type":"application/x-dosexec","duration":0.01,"is_orig":false,"seen_bytes":{number % 90000},'
            f'"md5":"{md5}","sha1":"{sha1}","sha256":"{sha256}","_path":"files"}}'
        )

    def _smtp(self, number: int, name: str, address: str, bad: bool) -> str:
        sender = self._chance.choice(self._bad["email"]) if bad else f"{_word(self._chance, 3)}@{name}"
        return (
            f'"id.resp_h":"{address}","id.resp_p":25,"helo":"mx","mailfrom":"{sender}",'
            f'"rcptto":["user{number % 500}@example.gov"],"subject":"re: {_word(self._chance, 4)}","_path":"smtp"}}'
        )

    _ZEEK = ((0.40, _conn), (0.65, _dns), (0.74, _http), (0.83, _ssl), (0.86, _files), (0.87, _smtp))

    def _eve(self, number: int, form: float, host: str, name: str, address: str, bad: bool) -> str:
        if bad and (form < 0.94 or self._chance.random() < 0.5):
            address = self._bad_address()
        elif bad:
            name = self._bad_name()
        if ":" in address:
            address = ipaddress.ip_address(address).exploded  # as Suricata prints it
        kind = "flow" if form < 0.94 else "dns" if form < 0.97 else "tls"
        start = (
            f'{{"timestamp":"2026-10-0{1 + number % 9}T12:{number % 60:02d}:00.{number % 1000000:06d}+0000",'
            f'"flow_id":{10**15 + number},"in_iface":"ens1","event_type":"{kind}","src_ip":"{host}",'
            f'"src_port":{32768 + number * 7919 % 28000},"dest_ip":"{address}","dest_port":443,"proto":"TCP",'
        )
        if kind == "flow":
            return start + (
                '"app_proto":"tls","flow":{"pkts_toserver":12,"pkts_toclient":14,'
                f'"bytes_toserver":{number % 9000},"bytes_toclient":{number % 90000},'
                '"start":"2026-10-01T12:00:00.000000+0000","end":"2026-10-01T12:00:01.000000+0000","age":1,'
                '"state":"closed","reason":"timeout","alerted":false}}'
            )
        if kind == "dns":
            return start + (
                f'"dns":{{"version":2,"type":"answer","id":{number % 65536},"flags":"8180","qr":true,"rd":true,'
                f'"ra":true,"rrname":"{name}","rrtype":"A","rcode":"NOERROR",'
                f'"answers":[{{"rrname":"{name}","rrtype":"A","ttl":300,"rdata":"{next(self._addresses)}"}}]}}}}'
            )
        return start + (
            f'"tls":{{"subject":"CN={name}","issuerdn":"C=US, O=Let\'s Encrypt, CN=R3",'
            f'"serial":"{_hex(self._chance, 36)}","fingerprint":"{_hex(self._chance, 40)}","sni":"{name}",'
            '"version":"TLS 1.3","notbefore":"2026-01-01T00:00:00","notafter":"2026-04-01T00:00:00",'
            f'"ja3":{{"hash":"{self._chance.choice(self._ja3)}"}},"ja4":"{self._chance.choice(self._ja4)}"}}}}'
        )

    def _bad_address(self) -> str:
        which = self._chance.random()
        if which < 0.8:
            return self._chance.choice(self._bad["ipv4" if which < 0.6 else "ipv6"])
        network = ipaddress.ip_network(self._chance.choice(self._bad["cidr"]))
        return str(network[min(network.num_addresses - 1, self._chance.randint(0, 255))])

    def _bad_name(self) -> str:
        name, which = self._chance.choice(self._bad["domain"]), self._chance.random()
        if which < 0.5:
            return name
        if which < 0.85:
            return f"{_word(self._chance, 2)}.{name}"
        return name.upper() if which < 0.95 else f"a.b.c.{name}"
